/**
 * What a sandbox on the host's root sees of the host besides `/usr`: programs need it, and every user may read it anyway.
 * Passwords, keys, host names, mail, cron tables and the like are not in the list, so they are not in the sandbox.
 */
export const HOST_ETC: readonly string[] = [
  'alternatives',
  'bash.bashrc',
  'bindresvport.blacklist',
  'ca-certificates',
  'ca-certificates.conf',
  'debian_version',
  'fonts',
  'gai.conf',
  'host.conf',
  'inputrc',
  'java-11-openjdk',
  'java-17-openjdk',
  'java-21-openjdk',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'ld-musl-x86_64.path',
  'ld-musl-aarch64.path',
  'locale.alias',
  'locale.conf',
  'locale.gen',
  'localtime',
  'login.defs',
  'magic',
  'magic.mime',
  'mime.types',
  'networks',
  'os-release',
  'perl',
  'pki/ca-trust',
  'pki/tls',
  'profile',
  'protocols',
  'python3',
  'python3.11',
  'rpc',
  'services',
  'shells',
  'skel',
  'ssl/certs',
  'ssl/openssl.cnf',
  'terminfo',
  'timezone',
  'xdg',
];

/**
 * Written, not copied: the host's users, names and addresses are nobody's business inside. But for `hosts` and `resolv.conf` of a
 * sandbox on the host's network, which can reach them anyway: see `hostResolver`.
 */
export const GENERATED_ETC: Readonly<Record<string, string>> = {
  passwd: [
    'root:x:0:0:root:/root:/bin/sh',
    'daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin',
    'bin:x:2:2:bin:/bin:/usr/sbin/nologin',
    'www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin',
    'user:x:1000:1000:user:/home/user:/bin/sh',
    'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
    '',
  ].join('\n'),
  group: [
    'root:x:0:',
    'daemon:x:1:',
    'bin:x:2:',
    'tty:x:5:',
    'www-data:x:33:',
    'users:x:100:',
    'user:x:1000:',
    'nogroup:x:65534:',
    '',
  ].join('\n'),
  hosts: '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nservices: files\n',
  'resolv.conf': '',
  'machine-id': '',
};

export interface SkeletonDirectory {
  readonly path: string;
  readonly mode: number;
  readonly owner?: number;
}

export const SKELETON: readonly SkeletonDirectory[] = [
  { path: 'dev', mode: 0o755 },
  { path: 'etc', mode: 0o755 },
  { path: 'home', mode: 0o755 },
  { path: 'home/user', mode: 0o750, owner: 1000 },
  { path: 'media', mode: 0o755 },
  { path: 'mnt', mode: 0o755 },
  { path: 'opt', mode: 0o755 },
  { path: 'proc', mode: 0o555 },
  { path: 'root', mode: 0o700 },
  { path: 'run', mode: 0o755 },
  { path: 'run/lock', mode: 0o1777 },
  { path: 'srv', mode: 0o755 },
  { path: 'sys', mode: 0o555 },
  { path: 'tmp', mode: 0o1777 },
  { path: 'usr', mode: 0o755 },
  { path: 'var', mode: 0o755 },
  { path: 'var/cache', mode: 0o755 },
  { path: 'var/lib', mode: 0o755 },
  { path: 'var/log', mode: 0o755 },
  { path: 'var/tmp', mode: 0o1777 },
];

/** Links into `/usr` on a merged-usr host, directories of their own elsewhere. */
export const TOP_LEVEL_TREES: readonly string[] = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];
