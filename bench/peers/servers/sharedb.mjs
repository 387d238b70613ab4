// node sharedb.mjs PORT [REDIS_URL]: ShareDB with rich-text and its memory database; with a Redis, its pubsub.
// No milestones, no middleware: what a deployment has at least. Its database keeps nothing beyond the process.
import { createServer } from "node:http"
import WebSocketJSONStream from "@teamwork/websocket-json-stream"
import richText from "rich-text"
import ShareDB from "sharedb"
import redisPubSub from "sharedb-redis-pubsub"
import { WebSocketServer } from "ws"

const [port, redis] = process.argv.slice(2)
ShareDB.types.register(richText.type)
const pubsub = redis ? redisPubSub({ url: redis }) : undefined
const backend = new ShareDB({ pubsub, presence: true, doNotForwardSendPresenceErrorsToClient: true })
const server = createServer((_request, response) => response.end("ready"))
new WebSocketServer({ server, perMessageDeflate: false }).on("connection", (socket) =>
  backend.listen(new WebSocketJSONStream(socket)),
)
server.listen(Number(port), "127.0.0.1")
