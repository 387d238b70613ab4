// node forward.mjs PORT: the floor of Node: what comes in goes out to everyone whose path is the same.
import { createServer } from "node:http"
import { WebSocketServer } from "ws"

const rooms = new Map()
const server = createServer((_request, response) => response.end("ready"))
new WebSocketServer({ server, perMessageDeflate: false }).on("connection", (socket, request) => {
  const room = rooms.get(request.url) ?? new Set()
  rooms.set(request.url, room.add(socket))
  socket.on("message", (data) => {
    for (const member of room) member.send(data)
  })
  socket.on("close", () => room.delete(socket))
})
server.listen(Number(process.argv[2]), "127.0.0.1")
