import { asInteger, asList, asObject, asText, refuse } from './profile-fields.js';
import type { SeccompAction, SeccompCondition, SeccompOperator, SeccompVerdict } from './policy.js';

const ACTIONS: Readonly<Record<string, SeccompAction>> = {
  SCMP_ACT_ALLOW: 'ALLOW',
  SCMP_ACT_ERRNO: 'ERRNO',
  SCMP_ACT_KILL: 'KILL_THREAD',
  SCMP_ACT_KILL_THREAD: 'KILL_THREAD',
  SCMP_ACT_KILL_PROCESS: 'KILL_PROCESS',
  SCMP_ACT_TRAP: 'TRAP',
  SCMP_ACT_LOG: 'LOG',
  SCMP_ACT_TRACE: 'TRACE',
};

const OPERATORS: readonly SeccompOperator[] = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'];

/** `MAX_ERRNO`, linux/err.h: the kernel cuts what is above. */
const ERRNO: readonly [number, number] = [0, 4095];
const MAX_VALUE = 2n ** 64n - 1n;
const EPERM = 1;

export function parseErrno(where: string, value: unknown): number | undefined {
  return value === undefined || value === null ? undefined : asInteger(where, value, ERRNO);
}

/** @param errno - for actions that carry one; the specification's default is EPERM. */
export function parseVerdict(where: string, value: unknown, errno: number | undefined): SeccompVerdict {
  const name = asText(where, value);
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) return refuse(where, `one of ${Object.keys(ACTIONS).join(', ')}`, value);
  return { action, data: action === 'ERRNO' || action === 'TRACE' ? (errno ?? EPERM) : 0 };
}

function parseValue(where: string, value: unknown): bigint {
  const expected = 'an integer from 0 to 2^64 - 1; from 2^53 on as BigInt or text';
  if (value === undefined) return 0n;
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return refuse(where, expected, value);
  if (typeof value === 'string' && !/^\d{1,20}$/.test(value)) return refuse(where, expected, value);
  if (typeof value !== 'number' && typeof value !== 'string' && typeof value !== 'bigint')
    return refuse(where, expected, value);
  const number = BigInt(value);
  return number >= 0n && number <= MAX_VALUE ? number : refuse(where, expected, value);
}

function parseCondition(where: string, value: unknown): SeccompCondition {
  const argument = asObject(where, value, ['index', 'value', 'valueTwo', 'op']);
  const name = asText(`${where}.op`, argument['op']);
  const operator = OPERATORS.find((each) => `SCMP_CMP_${each}` === name);
  if (operator === undefined) {
    return refuse(`${where}.op`, `one of ${OPERATORS.map((each) => `SCMP_CMP_${each}`).join(', ')}`, name);
  }
  return {
    index: asInteger(`${where}.index`, argument['index'], [0, 5]),
    operator,
    value: parseValue(`${where}.value`, argument['value']),
    datum: parseValue(`${where}.valueTwo`, argument['valueTwo']),
  };
}

/** Alternatives, each a list of conditions that must all hold. No condition at all is one that always holds. */
export function parseConditions(where: string, value: unknown): readonly (readonly SeccompCondition[])[] {
  const conditions = asList(where, value, 64).map((each, index) => parseCondition(`${where}[${index}]`, each));
  // Profiles of old runc versions list alternatives for one argument so, and it still reads them so.
  const isAlternatives = new Set(conditions.map(({ index }) => index)).size < conditions.length;
  return isAlternatives ? conditions.map((condition) => [condition]) : [conditions];
}
