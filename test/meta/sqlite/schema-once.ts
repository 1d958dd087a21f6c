// Run as a process of its own by schema-processes.test.ts: applies a schema and ends. Arguments: database, directory with schema.yaml.
import { join } from 'node:path'
import { applySchema } from '../../../src/meta/sqlite/schema-apply.ts'
import { loadSchema } from '../../../src/schema/load.ts'

const [file, projectDir] = process.argv.slice(2) as [string, string]
const context = { backends: ['local'], hasMaxFileSize: true, hasEncryptionKeys: false }
const { schema } = loadSchema(join(projectDir, 'schema.yaml'), context)
process.send?.('started')
const { project, steps } = await applySchema({ file, schema: schema!, projectDir })
process.send?.([...project.map(({ name }) => name), ...steps.map(({ description }) => description)])
process.disconnect?.()
