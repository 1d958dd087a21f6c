// The command line from the sources, for tests: never a stale dist/, otherwise exactly what bin/alyx.mjs starts.
import { run } from '../../src/cli/main.ts'

await run(process.argv.slice(2))
