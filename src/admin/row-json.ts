/** Rows as the admin API answers them. */
import type { Row } from '../model/row.js'
import { bytesToJson } from './bytes-json.js'

export function rowToJson({ cells }: Row) {
  return {
    cells: cells.map(({ localKey, value, timestamp, ttlSeconds }) => ({
      column: bytesToJson(localKey),
      value: bytesToJson(value),
      ...(timestamp !== null && { timestamp }),
      ...(ttlSeconds !== null && { ttlSeconds }),
    })),
  }
}
