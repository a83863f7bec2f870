// Zoom and pan of one picture, or of several that move together: wheel, drag, pinch, keys.

class Zoom {
  constructor(frames = []) {
    this.frames = [];
    this.fit();
    frames.forEach((frame) => this.watch(frame));
  }

  /** `frame` is the element that clips; its `img`s are moved. */
  watch(frame) {
    this.frames.push(frame);
    const fingers = new Map();
    let apart = 0;
    frame.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.by(Math.exp(-event.deltaY * 0.0016), this.spot(frame, event));
    }, { passive: false });
    frame.addEventListener("dblclick", (event) => {
      if (event.target.closest("button, input")) return;
      if (this.scale > 1) this.fit();
      else this.by(3, this.spot(frame, event));
    });
    frame.addEventListener("pointerdown", (event) => {
      if (event.target.closest("button, input, label, canvas")) return;
      fingers.set(event.pointerId, event);
      if (this.scale > 1 || fingers.size > 1) frame.setPointerCapture(event.pointerId);
    });
    frame.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      fingers.set(event.pointerId, event);
      if (fingers.size === 1 && this.scale > 1) {
        this.x += event.clientX - before.clientX;
        this.y += event.clientY - before.clientY;
        this.show();
      } else if (fingers.size === 2) {
        const [one, two] = [...fingers.values()];
        const gap = Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY);
        if (apart) this.by(gap / apart, this.spot(frame, { clientX: (one.clientX + two.clientX) / 2, clientY: (one.clientY + two.clientY) / 2 }));
        apart = gap;
      }
    });
    const up = (event) => {
      fingers.delete(event.pointerId);
      apart = 0;
    };
    frame.addEventListener("pointerup", up);
    frame.addEventListener("pointercancel", up);
  }

  /** A place in a frame, from its middle. */
  spot(frame, event) {
    const box = frame.getBoundingClientRect();
    return [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
  }

  by(factor, [x, y] = [0, 0]) {
    const scale = Math.max(1, Math.min(12, this.scale * factor));
    const real = scale / this.scale;
    this.x = x - (x - this.x) * real;
    this.y = y - (y - this.y) * real;
    this.scale = scale;
    this.show();
  }

  fit() {
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.show();
  }

  show() {
    if (this.scale === 1) [this.x, this.y] = [0, 0];
    for (const frame of this.frames) {
      const [wide, tall] = [(frame.clientWidth * (this.scale - 1)) / 2, (frame.clientHeight * (this.scale - 1)) / 2];
      this.x = Math.max(-wide, Math.min(wide, this.x));
      this.y = Math.max(-tall, Math.min(tall, this.y));
      frame.classList.toggle("hp-zoomed", this.scale > 1);
      frame.querySelectorAll("img").forEach((image) => { image.style.transform = this.scale === 1 ? "" : `translate(${this.x}px, ${this.y}px) scale(${this.scale})`; });
    }
  }

  key(event) {
    const action = { "+": () => this.by(1.4), "=": () => this.by(1.4), "-": () => this.by(1 / 1.4), z: () => this.fit() }[event.key];
    if (!action) return false;
    action();
    return true;
  }
}
