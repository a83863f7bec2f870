// A picture twice as wide as high, seen from inside: drag, arrow keys, wheel or pinch.
// One triangle and a short shader; without WebGL the flat picture stays, and that is said.

const SPHERE_VERTEX = "attribute vec2 at; varying vec2 here; void main() { here = at; gl_Position = vec4(at, 0.0, 1.0); }";
const SPHERE_FRAGMENT = `
precision highp float;
varying vec2 here;
uniform sampler2D picture;
uniform vec2 view;   // yaw and pitch in radians
uniform vec2 spread; // tangents of half the field of view, across and up
const float PI = 3.14159265358979;
void main() {
  vec3 ray = normalize(vec3(here * spread, -1.0));
  float c = cos(view.y), s = sin(view.y);
  ray = vec3(ray.x, ray.y * c - ray.z * s, ray.y * s + ray.z * c);
  float across = atan(ray.x, -ray.z) + view.x;
  gl_FragColor = texture2D(picture, vec2(fract(across / (2.0 * PI) + 0.5), acos(clamp(ray.y, -1.0, 1.0)) / PI));
}`;

class Sphere {
  /** `picture` is a loaded image of this origin; throws where there is no WebGL. */
  constructor(canvas, picture) {
    this.canvas = canvas;
    this.yaw = 0;
    this.pitch = 0;
    this.field = 75; // degrees, along the longer side
    const gl = canvas.getContext("webgl", { antialias: false });
    if (!gl) throw new Error("no WebGL");
    this.gl = gl;
    const shader = (kind, text) => {
      const made = gl.createShader(kind);
      gl.shaderSource(made, text);
      gl.compileShader(made);
      return made;
    };
    const program = gl.createProgram();
    gl.attachShader(program, shader(gl.VERTEX_SHADER, SPHERE_VERTEX));
    gl.attachShader(program, shader(gl.FRAGMENT_SHADER, SPHERE_FRAGMENT));
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error("no shader");
    gl.useProgram(program);
    this.place = { view: gl.getUniformLocation(program, "view"), spread: gl.getUniformLocation(program, "spread") };
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
    const at = gl.getAttribLocation(program, "at");
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, 2, gl.FLOAT, false, 0, 0);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    const limit = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, this.within(picture, limit));
    for (const [name, value] of [["TEXTURE_MIN_FILTER", "LINEAR"], ["TEXTURE_MAG_FILTER", "LINEAR"], ["TEXTURE_WRAP_S", "CLAMP_TO_EDGE"], ["TEXTURE_WRAP_T", "CLAMP_TO_EDGE"]]) {
      gl.texParameteri(gl.TEXTURE_2D, gl[name], gl[value]);
    }
    this.pointers = new Map();
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.08 : 1 / 1.08);
    }, { passive: false });
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(canvas);
    this.draw();
  }

  within(picture, limit) {
    if (picture.naturalWidth <= limit) return picture;
    const smaller = document.createElement("canvas");
    smaller.width = limit;
    smaller.height = Math.round(limit / 2);
    smaller.getContext("2d").drawImage(picture, 0, 0, smaller.width, smaller.height);
    return smaller;
  }

  down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    if (this.pointers.size === 2) {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
      this.zoom(apart(before) / Math.max(1, apart(now)));
    } else {
      const perPixel = (this.field * Math.PI) / 180 / Math.max(this.canvas.clientWidth, this.canvas.clientHeight);
      this.look(-(now[0] - before[0]) * perPixel, (now[1] - before[1]) * perPixel);
    }
    this.pointers.set(event.pointerId, now);
  }

  look(across, up) {
    this.yaw += across;
    this.pitch = Math.max(-Math.PI / 2, Math.min(Math.PI / 2, this.pitch + up));
    this.draw();
  }

  zoom(factor) {
    this.field = Math.max(25, Math.min(110, this.field * factor));
    this.draw();
  }

  key(name) {
    const step = this.field / 400;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (moves[name]) this.look(...moves[name]);
    else if (name === "+" || name === "=") this.zoom(1 / 1.15);
    else if (name === "-") this.zoom(1.15);
    else return false;
    return true;
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      const { canvas, gl } = this;
      const dense = Math.min(2, window.devicePixelRatio || 1);
      const width = Math.max(1, Math.round(canvas.clientWidth * dense));
      const height = Math.max(1, Math.round(canvas.clientHeight * dense));
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
      }
      gl.viewport(0, 0, width, height);
      const long = Math.tan((this.field * Math.PI) / 360);
      const spread = width > height ? [long, (long * height) / width] : [(long * width) / height, long];
      gl.uniform2f(this.place.view, this.yaw, -this.pitch);
      gl.uniform2f(this.place.spread, ...spread);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    });
  }

  dispose() {
    cancelAnimationFrame(this.waiting);
    this.resized.disconnect();
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
