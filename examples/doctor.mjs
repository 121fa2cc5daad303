// What works on this machine, what does not, why, and what to do; also as `npx cloister doctor`.
import { Host } from 'cloister';

const { ok, checks } = await Host.doctor();

for (const { name, status, detail, remedy } of checks) {
  console.log(`${status.padEnd(7)} ${name}: ${detail}`);
  if (remedy !== undefined) console.log(`        remedy: ${remedy}`);
}
console.log(ok ? 'sandboxes work here' : 'sandboxes do not work here');
