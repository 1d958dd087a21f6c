// Where drizzle-kit reads the tables and writes the SQL migrations (`npm run generate:migrations`).
import { defineConfig } from 'drizzle-kit'

export default defineConfig({ dialect: 'sqlite', schema: './src/meta/sqlite/tables.ts', out: './migrations/sqlite' })
