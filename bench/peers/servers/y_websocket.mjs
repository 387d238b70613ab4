// node y_websocket.mjs PORT: the connection handler of @y/websocket-server, as its own start script uses it.
import { createServer } from "node:http"
import { setupWSConnection } from "@y/websocket-server/utils"
import { WebSocketServer } from "ws"

const server = createServer((_request, response) => response.end("ready"))
new WebSocketServer({ server, perMessageDeflate: false }).on("connection", setupWSConnection)
server.listen(Number(process.argv[2]), "127.0.0.1")
