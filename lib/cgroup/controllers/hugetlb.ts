import type { Controller } from './controller.js';

/** @see https://docs.kernel.org/admin-guide/cgroup-v1/hugetlb.html */
export const hugetlb: Controller = {
  name: 'hugetlb',
  isAccounting: false,
  limits: ['hugetlb'],
  needs: (version, limits) =>
    Object.keys(limits.hugetlb ?? {}).map((size) => ({
      limit: 'hugetlb',
      file: version === 1 ? `hugetlb.${size}.limit_in_bytes` : `hugetlb.${size}.max`,
      remedy: 'use a page size that /sys/kernel/mm/hugepages lists',
    })),
  steps: (version, to, from) =>
    Object.entries(to.hugetlb ?? {})
      .filter(([size, bytes]) => from?.hugetlb?.[size] !== bytes)
      .map(([size, bytes]) => ({
        limit: 'hugetlb',
        file: version === 1 ? `hugetlb.${size}.limit_in_bytes` : `hugetlb.${size}.max`,
        value: bytes !== Infinity ? String(bytes) : version === 1 ? '-1' : 'max',
      })),
  usage: () => ({}),
};
