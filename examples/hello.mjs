// The smallest program: one command in a sandbox of its own, gone when it ends.
import { Sandbox } from 'cloister';

const { stdout, exitCode } = await Sandbox.run(['echo', 'Hello from inside']);

process.stdout.write(stdout);
console.log(`exit code ${exitCode}`);
