"""``README.txt``: what an archive is, for somebody who has found one and does not have the program."""

from __future__ import annotations

CODE = """\
import io, json, zipfile, numpy
file = zipfile.ZipFile("FILE")
members, photos, faces = ([json.loads(x) for x in file.open(f"{n}.jsonl")] for n in ("members", "photos", "faces"))
vectors = numpy.load(io.BytesIO(file.read("vectors.npy")), allow_pickle=False)
print([(members[face["member"]]["name"], photos[face["photo"]]["path"], vectors[face["vector"]]) for face in faces])
"""
"""Five lines that read an archive with json and numpy; a test runs them."""

TEXT = f"""\
This is an archive of a face recognition gallery, written by facegallery.

It holds the names of people, where photos of them were, and numbers from which their faces can be recognised.
Those are biometric data, and they are not encrypted here: keep this file as you would keep a key, and remove it
when it is no longer needed.

It is a ZIP file whose entries are stored without compression:

  manifest.json          format and version, gallery, model, counts, and the size and SHA-256 of every entry
  manifest.sha256        SHA-256 of manifest.json; 'sha256sum --check manifest.sha256' checks it
  members.jsonl          one JSON object a line: name, created_at
  photos.jsonl           content_hash (SHA-256 of the photo's bytes), path, path_form, width_px, height_px, added_at
  faces.jsonl            member, photo, vector (numbers of lines and rows, from 0), box_xyxy, landmarks_xy, probability,
                         quality, enrolled_at; boxes and points are in pixels of the upright photo
  vectors.npy            n x 512 numbers (float32), row by row the embeddings of the lines of faces.jsonl
  rejections.jsonl       faces of which somebody said that they are not a member's, and
  rejection_vectors.npy  their embeddings
  calibration.json       thresholds chosen from this gallery; only if that was done
  crops/N.png            what the network saw of line N of faces.jsonl, from 0; only if that was asked for

Where path_form is "percent" the path is not valid text, and its bytes are percent-encoded. The embeddings are of the
model in manifest.json, and can only be compared with embeddings of the same model.

In Python, with numpy:

{"".join("    " + line for line in CODE.splitlines(keepends=True))}
To take it into a gallery: facegallery import FILE
"""
