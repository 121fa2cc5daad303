// An AbortSignal ends a command with everything it started, double forks included; kill() sends any signal.
import { CloisterError, Sandbox } from 'cloister';

const box = await Sandbox.create();

const controller = new AbortController();
const command = box.exec(['sh', '-c', '(setsid sleep 600 &); sleep 600'], { signal: controller.signal });
await command.started;
controller.abort();
const { reason } = await command;
console.log(`ended for ${reason}, ${(await box.processes()).length} processes left`);

const polite = box.exec(['sh', '-c', 'trap "echo bye; exit 3" TERM; echo ready; while :; do sleep 0.05; done']);
for await (const { data } of polite) {
  if (data.toString().includes('ready')) polite.kill('SIGTERM');
}
const { stdout, exitCode } = await polite;
console.log(`said ${JSON.stringify(stdout.split('\n')[1])} and exited with ${exitCode}`);

try {
  await box.exec(['true'], { signal: AbortSignal.abort() });
} catch (error) {
  console.log(CloisterError.is(error) ? error.code : error);
}
await box.remove();
