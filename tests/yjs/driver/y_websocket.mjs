import { WebsocketProvider } from "y-websocket";

/** A connection by y-websocket. With `tab` it exchanges updates with the other tabs of this browser, its default. */
export class YWebsocketConnection {
  #closes = [];

  constructor(doc, link, { url, document, token, root, tab = false }) {
    const params = Object.fromEntries(Object.entries({ token, root }).filter(([, value]) => value));
    const options = { params, disableBc: !tab, WebSocketPolyfill: link.Socket };
    this.provider = new WebsocketProvider(url, document, doc, options);
    this.provider.on("connection-close", (event) => event && this.#closes.push(event.code));
  }

  get awareness() {
    return this.provider.awareness;
  }

  get state() {
    const { wsconnected, synced, shouldConnect } = this.provider;
    return { is_connected: wsconnected, is_synced: synced, tries: shouldConnect, closes: this.#closes };
  }

  connect() {
    this.provider.connect();
  }

  disconnect() {
    this.provider.disconnect();
  }

  destroy() {
    this.provider.destroy();
  }
}
