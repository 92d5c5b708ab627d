"""Converts an archive of `podman save --format docker-archive` to an OCI archive: oci_archive.py FROM TO NAME

podman's own conversion drops the health check, which OCI's image configuration does not define, though Docker reads it from there.
One input gives one output, to the byte.
"""

import gzip
import hashlib
import io
import json
import sys
import tarfile


def main():
    source, target, image_name = sys.argv[1:]
    with tarfile.open(source) as archive, tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as oci:

        def add(name, data):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            oci.addfile(entry, io.BytesIO(data))

        def blob(media_type, data):
            digest = hashlib.sha256(data).hexdigest()
            if digest not in written:
                written.add(digest)
                add(f"blobs/sha256/{digest}", data)
            return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digest}", "size": len(data)}

        written = set()
        read = lambda name: archive.extractfile(name).read()
        [image] = json.loads(read("manifest.json"))
        config = read(image["Config"])
        layers = [blob("layer.v1.tar+gzip", gzip.compress(read(name), 9, mtime=0)) for name in image["Layers"]]
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": blob("config.v1+json", config),
            "layers": layers,
        }
        described = blob("manifest.v1+json", json.dumps(manifest).encode())
        described["platform"] = {key: json.loads(config)[key] for key in ("os", "architecture")}
        described["annotations"] = {"org.opencontainers.image.ref.name": image_name}
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [described]}
        add("index.json", json.dumps(index).encode())
        add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')


main()
