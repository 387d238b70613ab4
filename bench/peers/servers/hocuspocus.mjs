// node hocuspocus.mjs PORT [REDIS_PORT]: Hocuspocus without a database; with a Redis, its extension for several processes.
import { Redis } from "@hocuspocus/extension-redis"
import { Server } from "@hocuspocus/server"

const [port, redis] = process.argv.slice(2).map(Number)
const extensions = redis ? [new Redis({ host: "127.0.0.1", port: redis })] : []
await new Server({ address: "127.0.0.1", port, quiet: true, extensions }).listen()
