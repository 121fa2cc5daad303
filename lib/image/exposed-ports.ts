import { refuse } from './json-fields.js';

const MAX_PORT = 65_535;
const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const;

/** A port, 1 to 65,535, that programs of an image listen on. It says so, and opens nothing. */
export interface ExposedPort {
  readonly port: number;
  readonly protocol: (typeof PROTOCOLS)[number];
}

/**
 * `8080`, `53/udp`, and ranges such as `8000-8010/tcp`, which Docker's builder takes and other tools write as they stand. By
 * protocol and number, each port once: thousands of wide ranges are no more than the ports that there are. Port 0 is none.
 *
 * @throws CloisterError `ERR_IMAGE_INVALID`
 */
export function parseExposedPorts(where: string, texts: readonly string[]): readonly ExposedPort[] {
  const exposed = new Map(PROTOCOLS.map((protocol) => [protocol, new Uint8Array(MAX_PORT + 1)]));
  for (const text of texts) {
    const [, first, last = first, protocol = 'tcp'] =
      /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (!(from <= to && to <= MAX_PORT)) return refuse(where, "a port such as '8080/tcp' or '8000-8010/tcp'", text);
    exposed.get(protocol.toLowerCase() as ExposedPort['protocol'])?.fill(1, Math.max(from, 1), to + 1);
  }
  const ports: ExposedPort[] = [];
  for (const [protocol, isExposed] of exposed) {
    for (let port = isExposed.indexOf(1); port !== -1; port = isExposed.indexOf(1, port + 1)) {
      ports.push(Object.freeze({ port, protocol }));
    }
  }
  return Object.freeze(ports);
}
