import { HocuspocusProvider, HocuspocusProviderWebsocket } from "@hocuspocus/provider";

/** Sockets by name, for several documents over one. */
const sockets = new Map();

/** A connection by Hocuspocus; `socket` names one to share. */
export class HocuspocusConnection {
  #closes = [];
  #refusals = [];

  constructor(doc, link, { url, document, token = "", socket }) {
    this.socket = sockets.get(socket) ?? openSocket(url, link, socket);
    this.provider = new HocuspocusProvider({
      websocketProvider: this.socket,
      name: document,
      document: doc,
      token,
      onClose: ({ event }) => this.#closes.push(event.code),
      onAuthenticationFailed: ({ reason }) => this.#refusals.push(reason),
    });
    this.provider.attach();
  }

  get awareness() {
    return this.provider.awareness;
  }

  get state() {
    const { isSynced, hasUnsyncedChanges, authorizedScope } = this.provider;
    return {
      is_connected: this.socket.status === "connected",
      is_synced: isSynced,
      has_unsynced_changes: hasUnsyncedChanges,
      scope: authorizedScope ?? null,
      tries: this.socket.shouldConnect,
      closes: this.#closes,
      refusals: this.#refusals,
    };
  }

  connect() {
    this.socket.connect();
  }

  /** Ends when it is done: to a socket that is still closing, connect() does nothing. */
  async disconnect() {
    const isClosed = new Promise((resolve) => this.socket.on("disconnect", resolve));
    const isOpen = this.socket.status !== "disconnected";
    this.socket.disconnect();
    if (isOpen) await isClosed;
  }

  destroy() {
    this.provider.destroy();
    for (const [name, socket] of sockets) if (socket === this.socket) sockets.delete(name);
    this.socket.destroy();
  }
}

function openSocket(url, link, name) {
  // The defaults wait for up to half a minute before they come back.
  const pauses = { delay: 100, minDelay: 100, maxDelay: 1000 };
  const socket = new HocuspocusProviderWebsocket({ url, WebSocketPolyfill: link.Socket, ...pauses });
  if (name) sockets.set(name, socket);
  return socket;
}
