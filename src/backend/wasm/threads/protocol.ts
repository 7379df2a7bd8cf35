/**
 * What the calling thread and the workers agree on: a few words of shared memory that describe one job, and how its chunks
 * are claimed. A job is a kernel, a parameter block and a range of work units; it is over when every chunk is done.
 */

/** Positions in the control words. */
export const EPOCH = 0;
/** Of which job the chunks are (upper bits), and the first that is not claimed. */
export const TICKET = 1;
export const CHUNKS = 2;
export const DONE = 3;
export const FAILED = 4;
/** How many workers wait to be woken. */
export const SLEEPING = 5;
/** Whether the caller waits to be woken when a chunk is done. */
export const CALLER_SLEEPING = 6;
/** Byte address of the kernel's length, followed by the bytes of its module. */
export const KERNEL = 7;
export const BLOCK = 8;
export const BEGIN = 9;
export const END = 10;
/** Work units in a chunk. */
export const CHUNK = 11;
/** Workers with an index below this take part. */
export const WORKERS = 12;
/** From here on the address of the scratch memory of each worker. */
export const SCRATCH = 16;
export const CONTROL_WORDS = 16 + 64;

const TICKET_BITS = 10;
/** The number of a chunk in the ticket of a job that is over. */
const CLOSED = 2 ** TICKET_BITS - 1;
/** Most chunks of a job. */
export const MOST_CHUNKS = CLOSED;
/** Jobs are told apart modulo this: a worker would have to lose its processor between two instructions for as many. */
export const EPOCHS = 2 ** 21;

/** A kernel: runs the work units from `begin` to `end` of the launch described at `block`. */
export type Run = (block: number, begin: number, end: number) => void;

/** Opens the chunks of job `epoch`, whose description is complete. */
export function open(control: Int32Array, epoch: number): void {
  Atomics.store(control, TICKET, epoch << TICKET_BITS);
}

/** After this no late worker can claim anything, whatever it has read before. Gives how many chunks were claimed. */
export function close(control: Int32Array, epoch: number): number {
  return Atomics.exchange(control, TICKET, (epoch << TICKET_BITS) | CLOSED) & CLOSED;
}

/**
 * Claims the next chunk of job `epoch`: its number, or -1 where none is left or the job is over. The description of the
 * job is valid from a successful claim to the report that the chunk is done.
 */
function claim(control: Int32Array, epoch: number): number {
  for (;;) {
    const ticket = Atomics.load(control, TICKET);
    const chunk = ticket & CLOSED;
    if (ticket >> TICKET_BITS !== epoch || chunk === CLOSED || chunk >= Atomics.load(control, CHUNKS)) return -1;
    if (Atomics.compareExchange(control, TICKET, ticket, ticket + 1) === ticket) return chunk;
  }
}

/** Runs chunks of job `epoch` until none is left. `kernel` gives its function, and is asked once a chunk is claimed. */
export function runChunks(control: Int32Array, epoch: number, kernel: () => Run): void {
  let run: Run | null = null;
  for (;;) {
    const chunk = claim(control, epoch);
    if (chunk < 0) return;
    const size = control[CHUNK];
    const begin = control[BEGIN] + chunk * size;
    try {
      run ??= kernel();
      run(control[BLOCK], begin, Math.min(begin + size, control[END]));
    } catch (error) {
      Atomics.store(control, FAILED, 1);
      throw error;
    } finally {
      Atomics.add(control, DONE, 1);
      if (Atomics.load(control, CALLER_SLEEPING) !== 0) Atomics.notify(control, DONE);
    }
  }
}
