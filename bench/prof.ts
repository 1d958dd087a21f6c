import { createBench } from './stage.ts'

const bench = await createBench('normal')
await bench.seed()
console.log('DIR', bench.server.dir, 'PORT', bench.server.port, 'TOKEN', bench.product('/').headers.authorization)
await new Promise((r) => setTimeout(r, 3600_000))
