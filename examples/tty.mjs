// A program with a terminal of its own: it sees a size, gets keys, and is told when the size changes.
import { once } from 'node:events';
import { Sandbox } from 'cloister';

const script = 'trap "stty size" WINCH; stty size; echo "your name?"; read -r name; echo "hello $name, on $(tty)"';
const shell = Sandbox.run(['bash', '-c', script], { tty: { columns: 80, rows: 24 } });

let screen = '';
shell.stdout.on('data', (data) => (screen += data));
const see = async (text) => {
  while (!screen.includes(text)) await once(shell.stdout, 'data');
};

await see('your name?');
shell.resize({ columns: 132, rows: 43 });
shell.stdin.write('Ada\n');

const { exitCode } = await shell;
process.stdout.write(screen.replaceAll('\r\n', '\n'));
console.log(`exit code ${exitCode}`);
