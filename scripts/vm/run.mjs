/**
 * Runs the root tests on a host with control groups of version 2 alone: a Debian kernel in QEMU, with this machine's files.
 *
 *     npm run test:vm [-- vitest arguments]
 *     node scripts/vm/run.mjs --exec command [argument]...
 *
 * The kernel comes out of its Debian package; it is unpacked, not installed. Its root is this machine's own root, read-only over
 * 9p, under an overlay in memory, so that the project is where it is here and can write as it likes; `init` says what is
 * mounted over it and why. Hardware help (KVM) is never used: the run is the same on machines that have none.
 *
 * CLOISTER_VM_KERNEL   the kernel's package, default linux-image-amd64
 * CLOISTER_VM_CACHE    where kernel and disk are kept, some 4 GB, default .vm/
 * CLOISTER_VM_MINUTES  the time that the machine gets, default 60
 * CLOISTER_LEAK_RUNS   how often the tests that repeat themselves do so (test/support/repetitions.ts), default 200: each run takes
 *                      some thirty times as long here
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { clearTimeout, setTimeout } from 'node:timers';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const PROJECT = resolve(HERE, '../..');
const CACHE = resolve(process.env.CLOISTER_VM_CACHE ?? join(PROJECT, '.vm'));
const PACKAGE = process.env.CLOISTER_VM_KERNEL ?? 'linux-image-amd64';
const LIMIT_MIN = Number(process.env.CLOISTER_VM_MINUTES ?? 60);

/** Runs one of the scripts beside this one; resolves to what it printed. */
function script(title, name, ...args) {
  const start = Date.now();
  const { status, stdout } = spawnSync('bash', [join(HERE, name), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) fail(`${title}: ${name} failed`);
  console.log(`${title}: ${seconds(start)} s`);
  return stdout.trim();
}

const seconds = (since) => Math.round((Date.now() - since) / 1000);

function fail(message) {
  console.error(`test:vm: ${message}`);
  process.exit(1);
}

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** What the guest's bash does as process 1. Output goes through `cat`: a console that is no terminal gets no colour and no cursor. */
function guestMain(command) {
  return `
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 CI=true
export CLOISTER_TEST_COUNTS=/run/vm/counts
export CLOISTER_LEAK_RUNS=${Number(process.env.CLOISTER_LEAK_RUNS ?? 200)}
cd ${quote(PROJECT)}
{
  echo "Linux $(uname -r) is up after $(cut -d' ' -f1 /proc/uptime) s"
  setsid --wait ${command.map(quote).join(' ')} < /dev/null
  echo $? > /run/vm/status
} 2>&1 | cat > /dev/hvc0
busybox poweroff -f
`;
}

function qemuArguments({ kernel, version, initramfs, disk, share }) {
  const kernelLine = [
    'console=ttyS0 quiet panic=-1 cgroup_no_v1=all',
    // Emulated processors share the host's counter, and are not attacked from within: less for QEMU to translate.
    'tsc=reliable mitigations=off random.trust_cpu=on',
  ].join(' ');
  const shared = (tag, path, ...options) => [
    ...['-fsdev', ['local', `id=${tag}`, `path=${path}`, 'security_model=none', 'multidevs=remap', ...options].join()],
    ...['-device', `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
  ];
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-machine', 'q35', '-accel', 'tcg,thread=multi,tb-size=1024', '-cpu', 'max,la57=off', '-smp', '2', '-m', '4G'],
    ...['-kernel', join(kernel, `boot/vmlinuz-${version}`), '-initrd', initramfs, '-append', kernelLine],
    ...['-chardev', `file,id=log,path=${join(share, 'kernel.log')}`, '-serial', 'chardev:log'],
    ...['-chardev', 'stdio,id=out,signal=off', '-device', 'virtio-serial-pci', '-device', 'virtconsole,chardev=out'],
    ...['-object', 'rng-random,id=rng,filename=/dev/urandom', '-device', 'virtio-rng-pci,rng=rng'],
    ...shared('root', '/', 'readonly=on'),
    ...shared('share', share),
    // `snapshot`: what is written goes to a nameless file of QEMU's.
    ...[
      '-drive',
      `file=${disk},format=raw,if=none,id=disk,snapshot=on,cache=unsafe`,
      '-device',
      'virtio-blk-pci,drive=disk',
    ],
  ];
}

/** Resolves when the machine is off. It never outlives this process. */
function runMachine(args) {
  // setpriv(1): killed with this process, however that ends.
  const machine = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const stop = () => machine.kill('SIGKILL');
  process.once('exit', stop);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
  const limit = setTimeout(() => {
    console.error(`test:vm: not done after ${LIMIT_MIN} minutes`);
    stop();
  }, LIMIT_MIN * 60_000);
  return new Promise((done) => {
    machine.once('error', (error) => fail(`setpriv: ${error.message}`));
    machine.once('exit', () => {
      clearTimeout(limit);
      process.off('exit', stop);
      done();
    });
  });
}

/**
 * What a sandbox is and what it shuts: all that depends on the kernel and its control groups. Images need a registry and peers;
 * `node.test.ts` is about threads and exits of Node, whose start alone takes ten seconds here.
 */
function sandboxTests() {
  const directory = 'test/integration/root';
  const files = readdirSync(join(PROJECT, directory)).filter((name) => /^(?!node\.).*\.test\.ts$/.test(name));
  return [...files.map((name) => join(directory, name)), 'test/escape'];
}

const args = process.argv.slice(2);
const vitest = ['npx', 'vitest', 'run', '--project', 'root'];
const command = args[0] === '--exec' ? args.slice(1) : [...vitest, ...(args.length > 0 ? args : sandboxTests())];

mkdirSync(CACHE, { recursive: true });
const version = script(`Kernel of ${PACKAGE}`, 'kernel.sh', CACHE, PACKAGE);
const kernel = join(CACHE, `kernel-${version}`);
const initramfs = join(CACHE, `initramfs-${version}`);
const disk = join(CACHE, 'disk.ext4');
script('Initramfs', 'initramfs.sh', kernel, version, initramfs);
script('Disk with a copy of /usr', 'disk.sh', disk);

const share = mkdtempSync(join(tmpdir(), 'cloister-vm-'));
process.once('exit', () => rmSync(share, { recursive: true, force: true }));
writeFileSync(join(share, 'settings'), `PROJECT=${quote(PROJECT)}\nKERNEL=${quote(kernel)}\n`);
writeFileSync(join(share, 'main'), guestMain(command));
await runMachine(qemuArguments({ kernel, version, initramfs, disk, share }));

const result = (name) => (existsSync(join(share, name)) ? readFileSync(join(share, name), 'utf8') : '');
const counts = process.env.CLOISTER_TEST_COUNTS;
if (counts !== undefined) appendFileSync(counts, result('counts'));
const status = result('status').trim();
if (status !== '0') {
  console.error(result('kernel.log').split('\n').slice(-20).join('\n'));
  fail(status === '' ? 'the machine ended before the tests did' : `exit status ${status}`);
}
