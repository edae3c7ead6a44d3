/** A gateway that serves CQL. */

export const CQL_PORTS = [
  'listeners:',
  '  kvstore: { port: 0 }',
  '  admin: { port: 0 }',
  '  rocksandra: { port: 0, enabled: true }',
  '',
].join('\n')

/** Who owns the tables that clients make. */
export const CQL_CONFIG = 'rocksandra:\n  owner: { name: tests, contact: tests@example.org }\n'
