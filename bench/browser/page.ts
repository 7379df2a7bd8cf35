/** Kindling as a contender in a browser: fetches requests and answers them, one after the other, until there are no more. */
import { load } from "../libraries/kindling.ts";
import { type Request, Runner } from "../library.ts";
import { rows } from "../rows/index.ts";

/** Posts the answer to the request before and gets the next one. Null: there is none any more. */
async function exchange(reply: object): Promise<Request | null> {
  const response = await fetch("/requests", { method: "POST", body: JSON.stringify(reply) });
  return (await response.json()) as Request | null;
}

async function replyTo(answer: () => Promise<unknown>): Promise<object> {
  try {
    return { answer: (await answer()) ?? null };
  } catch (error) {
    return { error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
}

const threads = Number(new URL(location.href).searchParams.get("threads"));
let runner: Runner | undefined;
let request = await exchange(
  await replyTo(async () => {
    const library = load({ threads, wide: false });
    runner = new Runner(library, rows);
    return { isolated: crossOriginIsolated, remark: library.description, agent: navigator.userAgent };
  }),
);
while (request !== null && runner !== undefined) {
  const [asked, answering]: [Request, Runner] = [request, runner];
  request = await exchange(await replyTo(() => answering.answer(asked)));
}
