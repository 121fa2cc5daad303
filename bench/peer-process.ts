import { burst, type Burst } from './contender.js';
import { runProgram } from './programs.js';

export interface Request {
  /** `{id}` becomes a fresh name for each start. */
  readonly command: readonly string[];
  readonly count: number;
  readonly concurrency: number;
}

export interface Response {
  readonly burst: Burst;
  readonly failure?: string;
}

let lastId = 0;

function start(command: readonly string[]): Promise<void> {
  const id = `cloister-bench-${process.pid}-${++lastId}`;
  return runProgram(command.map((word) => (word === '{id}' ? id : word)));
}

async function answer({ command, count, concurrency }: Request): Promise<Response> {
  try {
    return { burst: await burst(() => start(command), count, concurrency) };
  } catch (error) {
    return { burst: { wallMs: 0, eachMs: [] }, failure: String(error) };
  }
}

process.on('message', (request: Request) => void answer(request).then((response) => process.send?.(response)));
