import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The build that `scripts/test-native.sh` made, with the programs that look at the native code from within. */
export function nativeBuild(): string {
  const directory = process.env['CLOISTER_NATIVE'] ?? join('build-sanitize', 'Release');
  if (existsSync(join(directory, 'cloister-plan-to-json'))) return directory;
  throw new Error(`${directory} holds no native tests; run: npm run test:native`);
}
