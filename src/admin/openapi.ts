/**
 * The description of the admin API (OpenAPI 3.1), made from the table of routes: what stands there is what the server
 * checks. `GET /openapi.json` answers it.
 */
import { z } from 'zod'
import type { Route, RouteAbout } from './http.js'
import { roleOf, ROUTE_TAGS } from './http.js'
import { PATH_PARAMETERS, QUERY_PARAMETERS, type ParameterFacts } from './openapi-parameters.js'
import { errorSchema } from './schemas.js'

type Json = Readonly<Record<string, unknown>>

const JSON_TYPE = 'application/json'

/** @throws {TypeError} when the table of routes lacks a name or a parameter's description, which is a fault of ours */
export function openApiDocument(routes: readonly Route[], version: string): Json {
  const schemas = new SchemaNames()
  const error = schemas.answer('Error', errorSchema)
  const paths: Record<string, Record<string, Json>> = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, schemas) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Godwit admin API',
      version,
      description:
        'Datasets, their versions and rows, clusters and loads of one gateway. Changes of metadata carry who makes them ' +
        'and why, and the revision that they saw.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: ROUTE_TAGS.filter((tag) => routes.some(({ about }) => about.tag === tag)).map((name) => ({ name })),
    paths,
    // Without tokens in its configuration, a gateway asks for none.
    security: [{ token: [] }, {}],
    components: {
      schemas: schemas.all(),
      headers: HEADERS,
      responses: { Error: errorResponse(error) },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  }
}

const HEADERS: Json = {
  RequestId: {
    description: "The request's id: the caller's X-Request-Id where that is well-formed.",
    schema: { type: 'string' },
  },
  ETag: { description: 'Revision of the record, to be sent back as If-Match.', schema: { type: 'string' } },
}

const REQUEST_ID = { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } }

function errorResponse(schema: Json): Json {
  return {
    description: 'Any failure: 4xx of the request, 5xx of the gateway. `code` says which.',
    headers: REQUEST_ID,
    content: { [JSON_TYPE]: { schema } },
  }
}

function operation(route: Route, schemas: SchemaNames): Json {
  const { about } = route
  const body = requestBody(route, schemas)
  return {
    operationId: about.id,
    tags: [about.tag],
    summary: about.summary,
    description: `Role where tokens are used: ${about.isOpen === true ? 'none' : roleOf(route)}.`,
    ...(about.isOpen === true && { security: [] }),
    parameters: [...pathParameters(route), ...queryParameters(route), ...headerParameters(about)],
    ...(body !== null && { requestBody: body }),
    responses: { ...successes(about, schemas), default: { $ref: '#/components/responses/Error' } },
  }
}

function pathParameters({ path }: Route): Json[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => {
    const { description, schema } = factsOf(PATH_PARAMETERS, name)
    return { name, in: 'path', required: true, description, schema }
  })
}

function queryParameters({ query }: Route): Json[] {
  return query.map((name) => {
    const { description, schema, isRepeated = false, isRequired = false } = factsOf(QUERY_PARAMETERS, name)
    const value = isRepeated ? { type: 'array', items: schema } : schema
    return { name, in: 'query', required: isRequired, description, schema: value }
  })
}

const SEEN = 'The revision that the actor saw: `"12"`'

function headerParameters({ change }: RouteAbout): Json[] {
  const header = (name: string, description: string, required = false): Json => ({
    name,
    in: 'header',
    required,
    description,
    schema: { type: 'string' },
  })
  const own = [header('X-Request-Id', 'Names the request, in its answer and in the log.')]
  if (change === undefined) return own
  return [
    ...own,
    header('X-Godwit-Actor', 'Who makes the change; may be the field actor of the body instead.'),
    header('X-Godwit-Reason', 'Why, for the audit log; may be the field reason of the body instead.'),
    ...(change === 'revision' ? [header('If-Match', `${SEEN}.`, true)] : []),
    ...(change === 'either' ? [header('If-Match', `${SEEN}; required where there is one.`)] : []),
  ]
}

function factsOf(table: Readonly<Record<string, ParameterFacts>>, name: string): ParameterFacts {
  const facts = table[name]
  if (facts === undefined) throw new TypeError(`parameter ${name} of the admin API has no description`)
  return facts
}

function requestBody(route: Route, schemas: SchemaNames): Json | null {
  if (route.streams !== null) {
    const content = Object.fromEntries(route.streams.map((type) => [type, {}]))
    return { required: true, content }
  }
  if (route.bodySchema === null) return null
  const isOptional = route.bodySchema.safeParse(undefined).success
  return {
    required: !isOptional,
    content: { [JSON_TYPE]: { schema: schemas.request(`${route.about.id}Request`, route.bodySchema) } },
  }
}

function successes(about: RouteAbout, schemas: SchemaNames): Json {
  const { answer, statuses = [200], change } = about
  const content =
    typeof answer === 'string'
      ? { [answer]: { schema: { type: 'string' } } }
      : { [JSON_TYPE]: { schema: schemas.answer(`${about.id}Answer`, answer) } }
  const headers = {
    ...REQUEST_ID,
    ...(change !== undefined && { ETag: { $ref: '#/components/headers/ETag' } }),
  }
  const success = { description: 'As the summary says.', headers, content }
  return Object.fromEntries(statuses.map((status) => [String(status), success]))
}

/** The schemas of the whole description by name: those with an id of their own, and one a request and an answer. */
class SchemaNames {
  readonly #all: Record<string, unknown> = {}

  /** What a caller may send. */
  request(name: string, schema: z.ZodType): Json {
    return this.#add(name, z.toJSONSchema(schema, { io: 'input' }))
  }

  /** What we answer. A later release may add fields, so the description does not rule them out. */
  answer(name: string, schema: z.ZodType): Json {
    const described = z.toJSONSchema(schema, {
      io: 'output',
      override: ({ jsonSchema }) => delete jsonSchema.additionalProperties,
    })
    return this.#add(name, described)
  }

  all(): Json {
    return this.#all
  }

  #add(name: string, schema: object): Json {
    // As text, because references stand at any depth.
    const text = JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/')
    // What was an object is one again.
    const { $defs = {}, ...own } = JSON.parse(text) as { $defs?: Json; $schema?: string }
    Object.assign(this.#all, $defs)
    delete own.$schema
    if ('$ref' in own) return own
    this.#all[name] = own
    return { $ref: `#/components/schemas/${name}` }
  }
}
