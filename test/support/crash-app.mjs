// An application with sandboxes of every kind, which a test kills. Prints a line of JSON when they are all there.
/* global setTimeout */
// usage: crash-app.mjs ROOT STATE MARKER END     END: how it goes by itself: wait, exit, throw or abort
import { Host, Sandbox } from '../../dist/index.js';

const [root, stateDir, marker, end] = process.argv.slice(2);
const host = new Host({ root, stateDir });
const sh = (line) => ['sh', '-c', line];
const sleeper = `(setsid sh -c "sleep ${marker} & sleep ${marker}" &); sleep ${marker}`;
const quiet = (promise) => promise.then(undefined, () => undefined);

const box = await Sandbox.create({ host });
const frozen = await Sandbox.create({ host });
const commands = [
  box.exec(sh(sleeper)),
  box.exec(sh(sleeper), { tty: true }),
  box.exec(sh(`trap "" TERM HUP INT; ${sleeper}`)),
  frozen.exec(sh(sleeper)),
  Sandbox.run(sh(sleeper), { host }),
  Sandbox.run(['sleep', marker], { host, limits: { cpus: 0.1 } }),
];
for (const command of commands) quiet(command);
await Promise.all(commands.map((command) => command.started));
await frozen.pause();
// Some are always in the middle of their start.
const churn = async () => {
  for (;;) await quiet(Sandbox.run(['true'], { host }));
};
for (let i = 0; i < 4; i++) quiet(churn());

console.log(JSON.stringify({ pid: process.pid }));
if (end === 'exit') process.exit(0);
if (end === 'abort') process.abort();
if (end === 'throw')
  setTimeout(() => {
    throw new Error('uncaught');
  }, 1);
