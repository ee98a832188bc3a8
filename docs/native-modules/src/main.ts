import Database from "libsql";
import sharp from "sharp";

// Each answer goes through the native code, so that a process which serves has the right binaries.
const server = Bun.serve({
  port: process.env.PORT ?? 3000,
  async fetch() {
    const red = { width: 64, height: 32, channels: 3, background: "#ff0000" } as const;
    const png = await sharp({ create: red }).resize(16).png().toBuffer();
    const { width, height, format } = await sharp(png).metadata();
    const database = new Database(":memory:");
    const { version, answer } = database.prepare("SELECT sqlite_version() AS version, 6 * 7 AS answer").get();
    database.close();
    return Response.json({
      architecture: process.arch,
      sharp: { version: sharp.versions.sharp, libvips: sharp.versions.vips, width, height, format },
      sqlite: { version, answer },
    });
  },
});
console.log(`listening on ${server.url}`);

for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(0));
