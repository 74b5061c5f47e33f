// A picture from the camera: in the page where the browser allows it, else by the phone's own camera.

import { find } from "./dom.js";

export class Camera {
  /** `took(file)` gets each picture. */
  constructor(took) {
    this.took = took;
    this.dialog = find("camera");
    this.stream = null;
    find("camera-close").addEventListener("click", () => this.dialog.close());
    find("camera-shoot").addEventListener("click", () => this.shoot());
    this.dialog.addEventListener("close", () => this.off());
  }

  async take() {
    // Without https there is no mediaDevices; phones open their camera for the file field, others a file dialog.
    const phone = window.matchMedia("(pointer: coarse)").matches;
    if (phone || !navigator.mediaDevices?.getUserMedia) return find("shot").click();
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1920 } }, audio: false });
    } catch {
      return find("shot").click();
    }
    find("camera-view").srcObject = this.stream;
    this.dialog.showModal();
    return undefined;
  }

  shoot() {
    const view = find("camera-view");
    if (view.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return; // its size is known before anything is seen
    const canvas = document.createElement("canvas");
    canvas.width = view.videoWidth;
    canvas.height = view.videoHeight;
    canvas.getContext("2d").drawImage(view, 0, 0);
    canvas.toBlob((blob) => {
      if (blob) this.took(new File([blob], "camera.jpg", { type: "image/jpeg" }));
      this.dialog.close();
    }, "image/jpeg", 0.92);
  }

  off() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    find("camera-view").srcObject = null;
  }
}
