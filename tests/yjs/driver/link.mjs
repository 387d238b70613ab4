import WebSocket from "ws";

/** The way from one client to the server. While it is held nothing arrives there, and nothing is lost. */
export class Link {
  #isHeld = false;
  #waiting = [];

  /** The WebSocket class that a provider is to use. */
  get Socket() {
    const link = this;
    return class extends WebSocket {
      send(data) {
        link.#carry(() => this.readyState === WebSocket.OPEN && super.send(data));
      }
    };
  }

  hold() {
    this.#isHeld = true;
  }

  release() {
    this.#isHeld = false;
    for (const send of this.#waiting.splice(0)) send();
  }

  #carry(send) {
    if (this.#isHeld) this.#waiting.push(send);
    else send();
  }
}
