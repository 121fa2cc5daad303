// Every limit ends a command with a reason of its own: nothing has to be guessed from an exit code.
import { Sandbox } from 'cloister';

const HOG = 'b = []\nwhile True: b.append(bytearray(1 << 20))';

const cases = {
  timeout: [['sleep', '60'], { timeout: '200ms' }],
  cpu: [['sh', '-c', 'while :; do :; done'], { limits: { cpuTime: '200ms' } }],
  oom: [['python3', '-c', HOG], { limits: { memory: '48MiB' } }],
  pids: [['sh', '-c', 'bomb() { bomb | bomb & }; bomb; sleep 1; exit 1'], { limits: { pids: 16 } }],
  output: [['yes'], { maxOutput: '4KiB' }],
};

for (const [expected, [command, options]] of Object.entries(cases)) {
  const { reason, exitCode, signal } = await Sandbox.run(command, options);
  console.log(`${expected}: ended for ${reason}, ${signal ?? `exit code ${exitCode}`}`);
}
