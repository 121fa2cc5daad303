// Three ways to give a program its input: a text, a stream, or piece by piece.
import { createReadStream } from 'node:fs';
import { Sandbox } from 'cloister';

const text = await Sandbox.run(['tr', 'a-z', 'A-Z'], { stdin: 'a text\n' });
process.stdout.write(text.stdout);

const file = await Sandbox.run(['head', '-c', '21'], { stdin: createReadStream(new URL(import.meta.url)) });
console.log(file.stdout);

const conversation = Sandbox.run(['sh', '-c', 'while read -r line; do echo "you said: $line"; done'], {
  stdin: 'pipe',
});
conversation.stdin.write('hello\n');
conversation.stdin.end('goodbye\n');
process.stdout.write((await conversation).stdout);
