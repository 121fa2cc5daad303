// Events of one sandbox as they happen, and those of all sandboxes of this application as a stream.
import { Host, Sandbox } from 'cloister';

const all = [];
const events = Host.default.events();
const listening = (async () => {
  for await (const { type } of events) {
    all.push(type);
    if (type === 'removed') break;
  }
})();

const box = await Sandbox.create({ limits: { memory: '64MiB', pids: 8 } });
box.on('exec', ({ command, pid }) => console.log(`exec: ${command[0]} has pid ${pid}`));
box.on('oom', ({ count }) => console.log(`oom: ${count} killed for memory`));
box.on('exec-exit', ({ command, result }) => console.log(`exec-exit: ${command[0]}: ${result.reason}`));

await box.exec(['python3', '-c', 'x = bytearray(200 << 20)']);
await box.update({ memory: '256MiB' });
await box.exec(['python3', '-c', 'x = bytearray(200 << 20)']);
await box.remove();

await listening;
console.log(all.join(' '));
