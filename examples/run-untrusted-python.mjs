// Runs Python code that came from somebody else, as an online judge or a tool of a language model does.
import { Sandbox } from 'cloister';

const SUBMISSION = `
import os, socket
print("6 * 7 =", 6 * 7)
print("I am uid", os.getuid(), "and see", len([p for p in os.listdir("/proc") if p.isdigit()]), "processes")
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError as error:
    print("no network:", error.strerror)
try:
    open("/etc/shadow")
except OSError as error:
    print("no secrets:", error.strerror)
`;

const result = await Sandbox.run(['python3', '-'], {
  stdin: SUBMISSION,
  user: 'nobody',
  limits: { memory: '128MiB', cpus: 1, pids: 32, cpuTime: '10s' },
  timeout: '30s',
  maxOutput: '64KiB',
  readonlyRoot: true,
});

process.stdout.write(result.stdout);
if (result.reason !== 'exit') console.log(`stopped: ${result.reason}`);
