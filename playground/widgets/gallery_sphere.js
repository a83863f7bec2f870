// A panorama all around: one full-screen triangle whose every pixel asks an equirectangular
// picture (2 to 1) what stands in its direction. Dragging, arrows and the wheel look around.

const SPHERE_VERTEX = "attribute vec2 at;varying vec2 place;void main(){place=at;gl_Position=vec4(at,0.,1.);}";
const SPHERE_FRAGMENT = `precision highp float;varying vec2 place;uniform sampler2D picture;uniform vec4 look;
const float PI=3.141592653589793;
void main(){
  vec3 ray=normalize(vec3(place.x*look.w*look.z,place.y*look.w,-1.));
  float cp=cos(look.y),sp=sin(look.y);
  ray=vec3(ray.x,ray.y*cp-ray.z*sp,ray.y*sp+ray.z*cp);
  float turn=atan(ray.x,-ray.z)+look.x;
  gl_FragColor=texture2D(picture,vec2(fract(turn/(2.*PI)+.5),.5-asin(clamp(ray.y,-1.,1.))/PI));
}`;

class Sphere {
  /** Throws where the browser draws no WebGL; then the flat picture stays. */
  constructor(image) {
    this.canvas = el("canvas", {
      class: "hp-sphere", tabindex: "0", role: "img",
      "aria-label": "Panorama all around. Arrow keys look around, plus and minus zoom.",
    });
    const gl = this.canvas.getContext("webgl", { antialias: false, preserveDrawingBuffer: true });
    if (!gl) throw new Error("no WebGL");
    this.gl = gl;
    this.turn = 0;
    this.tilt = 0;
    this.field = 1; // half the height of what is seen at a distance of 1
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, SPHERE_VERTEX], [gl.FRAGMENT_SHADER, SPHERE_FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error("no shader");
    gl.useProgram(program);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.bindAttribLocation(program, 0, "at");
    gl.vertexAttribPointer(gl.getAttribLocation(program, "at"), 2, gl.FLOAT, false, 0, 0);
    this.look = gl.getUniformLocation(program, "look");
    this.upload(image);
    this.listen();
    this.watch = new ResizeObserver(() => this.draw());
    this.watch.observe(this.canvas);
  }

  /** The picture as a texture; scaled down to a power of two, so that its seam can repeat. */
  upload(image) {
    const { gl } = this;
    const most = Math.min(8192, gl.getParameter(gl.MAX_TEXTURE_SIZE));
    const wide = 2 ** Math.floor(Math.log2(Math.min(most, Math.max(2, image.naturalWidth))));
    const flat = document.createElement("canvas");
    flat.width = wide;
    flat.height = wide / 2;
    flat.getContext("2d").drawImage(image, 0, 0, wide, wide / 2);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, flat);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.REPEAT);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
  }

  listen() {
    const { canvas } = this;
    const fingers = new Map();
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, event);
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      fingers.set(event.pointerId, event);
      const scale = (2 * this.field) / canvas.clientHeight;
      if (fingers.size === 1) this.move(-(event.clientX - before.clientX) * scale, (event.clientY - before.clientY) * scale);
    });
    const up = (event) => fingers.delete(event.pointerId);
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(event.deltaY * 0.001));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const step = 0.15 * this.field;
      const action = {
        ArrowLeft: () => this.move(-step, 0), ArrowRight: () => this.move(step, 0), ArrowUp: () => this.move(0, step),
        ArrowDown: () => this.move(0, -step), "+": () => this.zoom(0.85), "=": () => this.zoom(0.85), "-": () => this.zoom(1.18),
      }[event.key];
      if (!action) return;
      action();
      event.preventDefault();
      event.stopPropagation();
    });
  }

  move(turn, tilt) {
    this.turn += turn;
    this.tilt = Math.max(-1.5, Math.min(1.5, this.tilt + tilt));
    this.draw();
  }

  zoom(by) {
    this.field = Math.max(0.15, Math.min(1.8, this.field * by));
    this.draw();
  }

  draw() {
    const { gl, canvas } = this;
    const scale = Math.min(2, devicePixelRatio || 1);
    const [wide, tall] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
    if (!wide || !tall) return;
    if (canvas.width !== wide || canvas.height !== tall) {
      canvas.width = wide;
      canvas.height = tall;
    }
    gl.viewport(0, 0, wide, tall);
    gl.uniform4f(this.look, this.turn, this.tilt, wide / tall, this.field);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  dispose() {
    this.watch.disconnect();
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
    this.canvas.remove();
  }
}
