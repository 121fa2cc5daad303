/** System calls that only other architectures have: profiles for all of them name these, too. */
export const FOREIGN: ReadonlySet<string> = new Set(
  `
    atomic_barrier atomic_cmpxchg_32 cachectl getpagesize multiplexer riscv_flush_icache riscv_hwprobe rtas
    s390_guarded_storage s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr s390_sthyi spu_create spu_run
    subpage_prot swapcontext switch_endian sync_file_range2 sys_debug_setcontext syscall sysmips timerfd
  `
    .trim()
    .split(/\s+/),
);
