package io.sparkgguf.job;

import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputFilter;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Says that a block is done, and what its tasks told.
 *
 * @param units results of its units
 * @param tensors what became of tensors, by index of the plan
 * @param notes what was not as asked
 * @param endedBy null, or why calibration ended in it
 */
record Manifest(List<UnitResult> units, Map<Integer, TensorOutcome> tensors, List<String> notes, String endedBy)
        implements Serializable {
    private static final int MAX_BYTES = 1 << 30;

    /** What a manifest is made of; nothing else is taken from a file. */
    private static final ObjectInputFilter KNOWN = ObjectInputFilter.Config.createFilter(
            "io.sparkgguf.**;java.lang.*;java.util.ArrayList;java.util.TreeMap;!*");

    Manifest {
        units = new ArrayList<>(units);
        tensors = new TreeMap<>(tensors);
        notes = new ArrayList<>(notes);
    }

    /** Writes it, with a digest. */
    void write(Storage storage, String file) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(this);
        }
        byte[] body = bytes.toByteArray();
        long digest = Digest.of(body, 0, body.length);
        WholeFile.write(storage, file, out -> {
            out.write(ByteBuffer.allocate(Long.BYTES).putLong(digest).array());
            out.write(body);
        });
    }

    /** Reads it back. */
    static Manifest read(Storage storage, String file) throws IOException {
        try (RangeReader reader = storage.open(file)) {
            long length = reader.length() - Long.BYTES;
            if (length < 0 || length > MAX_BYTES) {
                throw damaged(file, "it has " + reader.length() + " bytes");
            }
            byte[] all = new byte[(int) reader.length()];
            reader.readFully(0, all, 0, all.length);
            if (ByteBuffer.wrap(all).getLong() != Digest.of(all, Long.BYTES, (int) length)) {
                throw damaged(file, "its digest is another one");
            }
            try (ObjectInputStream in =
                    new ObjectInputStream(new ByteArrayInputStream(all, Long.BYTES, (int) length))) {
                in.setObjectInputFilter(KNOWN);
                return (Manifest) in.readObject();
            } catch (ClassNotFoundException | ClassCastException | java.io.ObjectStreamException e) {
                throw damaged(file, e.getMessage());
            }
        }
    }

    private static InvalidInputException damaged(String file, String reason) {
        return new InvalidInputException(
                "Cannot go on from " + file + ": " + reason + "; remove the work folder to begin anew");
    }
}
