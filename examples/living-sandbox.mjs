// A sandbox that stays: commands share its files, its limits can change, and it can be paused.
// In TypeScript, or from Node 24 on, `const box = …` removes it at the end of the block by itself.
import { Sandbox } from 'cloister';

const box = await Sandbox.create({ name: 'workspace', limits: { memory: '128MiB', pids: 32 } });
console.log(`${box.name} is ${box.state}`);

await box.exec(['sh', '-c', 'echo "print(sum(range(10)))" > /tmp/program.py']);
const { stdout } = await box.exec(['python3', '/tmp/program.py'], { user: 'nobody' });
console.log(`45? ${stdout.trim()}`);

const server = box.exec(['sleep', '600']);
await server.started;
console.log((await box.processes()).map(({ name, pid }) => `${name} has pid ${pid} inside`).join(', '));

await box.pause();
console.log(`${box.name} is ${box.state}`);
await box.resume();
await box.update({ memory: '256MiB', cpus: 0.5 });

for await (const { memory, pids } of box.stats()) {
  console.log(`memory limit ${memory.limitBytes / 2 ** 20} MiB, processes ${pids.count} of ${pids.limit}`);
  break;
}

await box.stop({ timeout: '2s' });
const { signal, reason } = await server;
console.log(`sleep: ${signal}, ${reason}; ${box.name} is ${box.state}`);
await box.remove();
