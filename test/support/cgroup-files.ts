/** Control files and what is in those of a fresh group, by version and controller (v1's names). */

type Files = Readonly<Record<string, string>>;

export const CORE_FILES: Readonly<Record<1 | 2, Files>> = {
  1: { 'cgroup.procs': '', tasks: '', 'cgroup.clone_children': '0' },
  2: {
    'cgroup.procs': '',
    'cgroup.subtree_control': '',
    'cgroup.events': 'populated 0\nfrozen 0\n',
    'cgroup.freeze': '0',
    'cgroup.kill': '',
    'cpu.stat': 'usage_usec 0\nuser_usec 0\nsystem_usec 0\n',
    'memory.pressure': '',
    'cpu.pressure': '',
    'io.pressure': '',
  },
};

const THROTTLE = 'blkio.throttle.';

export const CONTROL_FILES: Readonly<Record<1 | 2, Readonly<Record<string, Files>>>> = {
  1: {
    memory: {
      'memory.limit_in_bytes': '9223372036854771712\n',
      'memory.memsw.limit_in_bytes': '9223372036854771712\n',
      'memory.kmem.tcp.limit_in_bytes': '9223372036854771712\n',
      'memory.use_hierarchy': '1\n',
      'memory.usage_in_bytes': '0\n',
      'memory.max_usage_in_bytes': '0\n',
      'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 0\n',
    },
    pids: { 'pids.max': 'max\n', 'pids.current': '0\n', 'pids.peak': '0\n', 'pids.events': 'max 0\n' },
    cpu: {
      'cpu.shares': '1024\n',
      'cpu.cfs_quota_us': '-1\n',
      'cpu.stat': 'nr_periods 0\nnr_throttled 0\nthrottled_time 0\n',
    },
    cpuacct: { 'cpuacct.usage': '0\n', 'cpuacct.usage_user': '0\n', 'cpuacct.usage_sys': '0\n' },
    cpuset: { 'cpuset.cpus': '\n', 'cpuset.mems': '\n' },
    blkio: {
      [`${THROTTLE}read_bps_device`]: '',
      [`${THROTTLE}write_bps_device`]: '',
      [`${THROTTLE}read_iops_device`]: '',
      [`${THROTTLE}write_iops_device`]: '',
      [`${THROTTLE}io_service_bytes`]: 'Total 0\n',
    },
    devices: { 'devices.allow': '', 'devices.deny': '', 'devices.list': 'a *:* rwm\n' },
    freezer: { 'freezer.state': 'THAWED\n' },
  },
  2: {
    memory: {
      'memory.max': 'max\n',
      'memory.high': 'max\n',
      'memory.swap.max': 'max\n',
      'memory.current': '0\n',
      'memory.peak': '0\n',
      'memory.oom.group': '0\n',
      'memory.events': 'oom 0\noom_kill 0\noom_group_kill 0\n',
    },
    pids: {
      'pids.max': 'max\n',
      'pids.current': '0\n',
      'pids.peak': '0\n',
      'pids.events': 'max 0\n',
      'pids.events.local': 'max 0\n',
    },
    cpu: { 'cpu.max': 'max 100000\n', 'cpu.weight': '100\n' },
    cpuset: { 'cpuset.cpus': '\n', 'cpuset.mems': '\n' },
    io: { 'io.max': '', 'io.stat': '', 'io.weight': 'default 100\n' },
  },
};
