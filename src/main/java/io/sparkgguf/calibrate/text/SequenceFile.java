package io.sparkgguf.calibrate.text;

import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.SequentialReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.List;

/**
 * Sequences in one file, of which a task reads its own. Little-endian:
 *
 * <pre>
 * u64  "tokseqs1" as ASCII
 * u32  number of sequences s
 * u32  0
 * u64  documents
 * u64  tokens of the documents
 * s times: u32 one past the sequence's last token, u32 0, u64 digest of its bytes below
 * u64  digest of all bytes up to here
 * s times: a sequence of n tokens: n int32 ids, ceil(n / 8) bytes of masks, bit i % 8 of byte i / 8 for token i
 * </pre>
 */
final class SequenceFile {
    private static final long MAGIC = ByteBuffer.wrap("tokseqs1".getBytes(StandardCharsets.US_ASCII))
            .order(ByteOrder.LITTLE_ENDIAN)
            .getLong();
    private static final int FIXED = 32;
    private static final int ENTRY = 16;
    private static final int DIGEST = 8;
    private static final int ALL = -1;
    private static final String KIND = "token sequences";

    private SequenceFile() {}

    static void write(Storage storage, String file, TokenSequences sequences) throws IOException {
        int count = sequences.count();
        ByteBuffer header = ByteBuffer.allocate(Math.addExact(FIXED + DIGEST, Math.multiplyExact(ENTRY, count)))
                .order(ByteOrder.LITTLE_ENDIAN);
        header.putLong(MAGIC).putInt(count).putInt(0);
        header.putLong(sequences.documents()).putLong(sequences.documentTokens());
        for (int i = 0; i < count; i++) {
            byte[] body = body(sequences, i);
            header.putInt(sequences.ends()[i]).putInt(0).putLong(Digest.of(body, 0, body.length));
        }
        header.putLong(Digest.of(header.array(), 0, header.position()));
        try (OutputStream out = storage.create(file)) {
            out.write(header.array());
            for (int i = 0; i < count; i++) {
                out.write(body(sequences, i));
            }
        }
    }

    private static byte[] body(TokenSequences sequences, int index) {
        int start = sequences.start(index);
        int length = sequences.length(index);
        ByteBuffer body = ByteBuffer.allocate(Math.toIntExact(bytes(length))).order(ByteOrder.LITTLE_ENDIAN);
        body.asIntBuffer().put(sequences.tokens(), start, length);
        body.position(4 * length);
        body.put(sequences.masked().get(start, start + length).toByteArray());
        return body.array();
    }

    private static long bytes(int length) {
        return 4L * length + (length + 7) / 8;
    }

    static TokenSequences read(Storage storage, String file) throws IOException {
        return read(storage, file, 0, ALL);
    }

    /** Sequences {@code from} up to but without {@code to}. */
    static TokenSequences read(Storage storage, String file, int from, int to) throws IOException {
        try (RangeReader reader = storage.open(file)) {
            SequentialReader fields = new SequentialReader(reader, KIND, 0, reader.length());
            if (fields.readLong("the magic number") != MAGIC) {
                throw fields.damaged(0, "it does not begin with 'tokseqs1'");
            }
            int count = fields.readInt("the number of sequences");
            fields.readInt("the header");
            long documents = fields.readLong("the header");
            long documentTokens = fields.readLong("the header");
            if (count < 0) {
                throw fields.damaged(8, "it says to hold " + Integer.toUnsignedString(count) + " sequences");
            }
            fields.require((long) ENTRY * count + DIGEST, "the table of " + count + " sequences");
            int until = to == ALL ? count : to;
            if (from < 0 || from > until || until > count) {
                throw new InvalidInputException("Cannot read " + KIND + " " + file + ": sequences " + from + " to " + to
                        + " were asked for, it holds " + count);
            }
            return readBodies(reader, fields, count, from, until, documents, documentTokens);
        }
    }

    private static TokenSequences readBodies(
            RangeReader reader,
            SequentialReader fields,
            int count,
            int from,
            int to,
            long documents,
            long documentTokens)
            throws IOException {
        int[] ends = new int[to - from];
        long[] digests = new long[to - from];
        long bodies = FIXED + (long) ENTRY * count + DIGEST;
        requireHeader(reader, fields, bodies - DIGEST);
        long start = bodies;
        long expected = bodies;
        int last = 0;
        int first = 0;
        for (int i = 0; i < count; i++) {
            long at = fields.position();
            int end = fields.readInt("the table");
            fields.readInt("the table");
            long digest = fields.readLong("the table");
            if (end <= last) {
                throw fields.damaged(at, "sequence " + i + " ends at token " + end + ", but begins at " + last);
            }
            if (i == from) {
                start = expected;
                first = last;
            }
            expected += bytes(end - last);
            last = end;
            if (i >= from && i < to) {
                ends[i - from] = end - first;
                digests[i - from] = digest;
            }
        }
        if (expected != reader.length()) {
            throw fields.damaged(
                    Math.min(expected, reader.length()),
                    "the sequences end at byte " + expected + ", the file has " + reader.length() + " bytes");
        }
        return readSequences(
                new SequentialReader(reader, KIND, start, expected), ends, digests, documents, documentTokens);
    }

    private static void requireHeader(RangeReader reader, SequentialReader fields, long bytes) throws IOException {
        Digest digest = new Digest();
        SequentialReader header = new SequentialReader(reader, KIND, 0, bytes + DIGEST);
        byte[] chunk = new byte[1 << 16];
        while (header.position() < bytes) {
            int some = (int) Math.min(chunk.length, bytes - header.position());
            header.readBytes(chunk, 0, some, "the header");
            digest.update(chunk, 0, some);
        }
        if (header.readLong("the digest") != digest.value()) {
            throw fields.damaged(bytes, "the header's digest is another one");
        }
    }

    private static TokenSequences readSequences(
            SequentialReader fields, int[] ends, long[] digests, long documents, long documentTokens)
            throws IOException {
        int[] tokens = new int[ends.length == 0 ? 0 : ends[ends.length - 1]];
        BitSet masked = new BitSet();
        int start = 0;
        for (int i = 0; i < ends.length; i++) {
            int length = ends[i] - start;
            long at = fields.position();
            byte[] body = fields.readBytes(Math.toIntExact(bytes(length)), "a sequence");
            if (Digest.of(body, 0, body.length) != digests[i]) {
                throw fields.damaged(at, "the digest of a sequence is another one");
            }
            ByteBuffer bytes = ByteBuffer.wrap(body).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asIntBuffer().get(tokens, start, length);
            BitSet bits = BitSet.valueOf(bytes.position(4 * length));
            for (int p = bits.nextSetBit(0); p >= 0; p = bits.nextSetBit(p + 1)) {
                masked.set(start + p);
            }
            start = ends[i];
        }
        return new TokenSequences(tokens, ends, masked, documents, documentTokens, List.of());
    }
}
