// Output as it arrives, each piece with the stream it came from; the result comes at the end.
import { Sandbox } from 'cloister';

const build = Sandbox.run(['sh', '-c', 'for i in 1 2 3; do echo "step $i"; sleep 0.1; done; echo "a warning" >&2']);

for await (const { stream, data } of build) {
  for (const line of data.toString().trimEnd().split('\n')) console.log(`[${stream}] ${line}`);
}

const { exitCode, usage } = await build;
console.log(`exit code ${exitCode}, ${usage.wallMs >= 300 ? 'at least 300 ms' : 'too fast'}`);
