/** @file A ZIP of stored entries (PKWARE's APPNOTE.TXT 6.3): photos are compressed already. The archive is a Blob of
 * the photos' Blobs, so their bytes are never copied into memory as a whole. */

const SIZE_LIMIT_BYTES = 0xffffffff; // more needs Zip64, which not every program reads
const COUNT_LIMIT = 0xffff;
const VERSION = 20;
const NAMES_ARE_UTF8 = 0x0800;
const LOCAL_HEADER_BYTES = 30, CENTRAL_HEADER_BYTES = 46, END_BYTES = 22;

/**
 * Packs files into one ZIP. Equal names get a number: "photo.png", "photo (2).png".
 * @param {{name: string, blob: Blob}[]} files
 * @returns {Promise<Blob>}
 * @throws {RangeError} no file, or more than a ZIP can hold (4 GB, 65535 files)
 */
export async function zip(files) {
  if (!files.length) throw new RangeError("There is no file to put into the ZIP.");
  const names = uniqueNames(files.map(({ name }) => name)).map((name) => new TextEncoder().encode(name));
  const headersBytes = names.map(({ length }) => LOCAL_HEADER_BYTES + CENTRAL_HEADER_BYTES + 2 * length);
  const sizeBytes = files.reduce((sum, { blob }, index) => sum + headersBytes[index] + blob.size, END_BYTES);
  if (sizeBytes > SIZE_LIMIT_BYTES) throw new RangeError("The files have more than 4 GB: too much for one ZIP.");
  if (files.length > COUNT_LIMIT) throw new RangeError(`A ZIP holds at most ${COUNT_LIMIT} files.`);

  const now = dosTime(new Date());
  const entries = [], directory = [];
  let offset = 0;
  for (const [index, { blob }] of files.entries()) {
    const name = names[index];
    const facts = [
      [2, VERSION], [2, NAMES_ARE_UTF8], [2, 0 /* stored */], [4, now], [4, await crc32(blob)],
      [4, blob.size], [4, blob.size], [2, name.length], [2, 0 /* extra field */],
    ];
    const central = [[2, 0 /* comment */], [2, 0 /* disk */], [2, 0], [4, 0 /* attributes */], [4, offset]];
    entries.push(record("PK\x03\x04", facts), name, blob);
    directory.push(record("PK\x01\x02", [[2, VERSION], ...facts, ...central]), name);
    offset += LOCAL_HEADER_BYTES + name.length + blob.size;
  }
  const count = files.length;
  const directoryBytes = directory.reduce((sum, { length }) => sum + length, 0);
  const end = record("PK\x05\x06", [[2, 0], [2, 0], [2, count], [2, count], [4, directoryBytes], [4, offset], [2, 0]]);
  return new Blob([...entries, ...directory, end], { type: "application/zip" });
}

/** Numbers equal names; letters' case makes no difference, as on most people's disks. */
function uniqueNames(names) {
  const taken = new Set();
  return names.map((name) => {
    const [, stem, suffix] = /^(.*?)(\.[^.]*)?$/s.exec(name);
    let unique = name;
    for (let number = 2; taken.has(folded(unique)); number++) unique = `${stem} (${number})${suffix ?? ""}`;
    taken.add(folded(unique));
    return unique;
  });
}

const folded = (name) => name.normalize().toLowerCase();

/** A record: its four letters, then numbers of so many bytes each, the lowest byte first. */
function record(letters, fields) {
  const bytes = Array.from(letters, (letter) => letter.charCodeAt(0));
  for (const [size, value] of fields) {
    for (let byte = 0; byte < size; byte++) bytes.push((value >>> (8 * byte)) & 0xff);
  }
  return Uint8Array.from(bytes);
}

/** MS-DOS's date and time of the local clock, to two seconds. */
function dosTime(date) {
  const day = ((date.getFullYear() - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate();
  const time = (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1);
  return (day << 16) | time;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

/** CRC-32 of a Blob (ISO 3309, as ZIP and PNG have it), read piece by piece. */
async function crc32(blob) {
  let crc = 0xffffffff;
  const reader = blob.stream().getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    for (const byte of piece.value) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff];
  }
  return ~crc;
}
