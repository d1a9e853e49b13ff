package io.sparkgguf.format.safetensors;

import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Shape;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Reads the header of a safetensors file: u64 length N, N bytes of JSON that start with a brace, then the data.
 *
 * <p>As strict as the format's own library, and stricter where it is silent: names are unique, every key is known, and the
 * tensors cover the data without overlap, gap or rest.
 */
public final class SafetensorsReader {
    /** The format's own limit of a header. */
    public static final long MAX_HEADER_BYTES = 100_000_000;

    private static final int MAX_RANK = 16;
    private static final String METADATA = "__metadata__";

    private final String file;
    private final long fileLength;
    private final long dataOffset;
    private final StrictJson json;
    private final List<TensorLocation> tensors = new ArrayList<>();
    private final Set<String> names = new HashSet<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();

    private SafetensorsReader(String file, long fileLength, long dataOffset, StrictJson json) {
        this.file = file;
        this.fileLength = fileLength;
        this.dataOffset = dataOffset;
        this.json = json;
    }

    /**
     * Reads and checks the header; reads no data.
     *
     * @throws InvalidInputException when the file is damaged, with the file and the byte
     */
    public static SafetensorsHeader read(RangeReader reader) throws IOException {
        String file = reader.file();
        long length = reader.length();
        if (length < 8) {
            throw new InvalidInputException("Cannot read " + file + ": it has " + length
                    + " bytes, but a safetensors file starts with a header length of 8 bytes at byte 0");
        }
        byte[] prefix = new byte[8];
        reader.readFully(0, prefix, 0, 8);
        long headerLength =
                ByteBuffer.wrap(prefix).order(ByteOrder.LITTLE_ENDIAN).getLong();
        if (headerLength < 0 || headerLength > MAX_HEADER_BYTES) {
            throw new InvalidInputException(
                    "Cannot read " + file + ": header length " + Long.toUnsignedString(headerLength)
                            + " at byte 0 is over the limit of " + MAX_HEADER_BYTES + " bytes");
        }
        if (headerLength > length - 8) {
            throw new InvalidInputException("Cannot read " + file + ": header length " + headerLength
                    + " at byte 0 goes beyond the file's end, " + length + " bytes");
        }
        byte[] header = new byte[(int) headerLength];
        reader.readFully(8, header, 0, header.length);
        if (header.length == 0 || header[0] != '{') {
            throw new InvalidInputException("Cannot read " + file + ": the header at byte 8 does not start with {");
        }
        try (StrictJson json = new StrictJson(file, header, 8)) {
            return new SafetensorsReader(file, length, 8 + headerLength, json).readHeader();
        }
    }

    private SafetensorsHeader readHeader() throws IOException {
        json.startObject("the header");
        boolean metadataSeen = false;
        for (String name = json.nextName(); name != null; name = json.nextName()) {
            if (name.equals(METADATA)) {
                if (metadataSeen) {
                    throw json.damaged("a second " + METADATA);
                }
                metadataSeen = true;
                readMetadata();
            } else if (!names.add(name)) {
                throw json.damaged("a second tensor '" + name + "'");
            } else {
                readTensor(name);
            }
        }
        json.end();
        tensors.sort(Comparator.comparingLong(TensorLocation::offset).thenComparingLong(TensorLocation::length));
        checkCoverage();
        return new SafetensorsHeader(file, dataOffset, tensors, metadata);
    }

    private void readMetadata() throws IOException {
        json.startObject(METADATA);
        for (String key = json.nextName(); key != null; key = json.nextName()) {
            if (metadata.containsKey(key)) {
                throw json.damaged("a second '" + key + "' in " + METADATA);
            }
            metadata.put(key, json.text("'" + key + "' in " + METADATA));
        }
    }

    private void readTensor(String name) throws IOException {
        String who = "tensor '" + name + "'";
        DType dtype = null;
        long[] dimensions = null;
        long[] range = null;
        json.startObject(who);
        for (String key = json.nextName(); key != null; key = json.nextName()) {
            String what = key + " of " + who;
            if (key.equals("dtype") && dtype == null) {
                String label = json.text(what);
                dtype = DType.of(label)
                        .orElseThrow(() -> json.damaged(who + " has the unknown dtype '" + label + "', known are "
                                + Arrays.toString(DType.values())));
            } else if (key.equals("shape") && dimensions == null) {
                dimensions = numbers(what, MAX_RANK);
            } else if (key.equals("data_offsets") && range == null) {
                range = numbers(what, 2);
            } else {
                boolean twice = key.equals("dtype") || key.equals("shape") || key.equals("data_offsets");
                throw json.damaged(twice ? "a second " + what : who + " has the unknown key '" + key + "'");
            }
        }
        if (dtype == null || dimensions == null || range == null) {
            String missing = dtype == null ? "dtype" : dimensions == null ? "shape" : "data_offsets";
            throw json.damaged(who + " has no " + missing);
        }
        if (range.length != 2 || range[0] > range[1]) {
            throw json.damaged(who + " has data_offsets " + Arrays.toString(range) + ", not [begin, end]");
        }
        if (range[1] > fileLength - dataOffset) {
            throw json.damaged(who + " has data_offsets " + Arrays.toString(range) + ", but the file's data has "
                    + (fileLength - dataOffset) + " bytes");
        }
        add(name, dtype, dimensions, range);
    }

    private void add(String name, DType dtype, long[] dimensions, long[] range) {
        Shape shape;
        long bytes;
        try {
            shape = Shape.of(dimensions);
            bytes = dtype.bytes(shape.elements());
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw json.damaged("tensor '" + name + "' of " + dtype + " has the shape " + Arrays.toString(dimensions)
                    + ", more than 2^63 - 1 bytes");
        }
        if (bytes != range[1] - range[0]) {
            throw json.damaged("tensor '" + name + "' of " + dtype + " " + shape + " takes " + bytes
                    + " bytes, but its data_offsets " + Arrays.toString(range) + " give " + (range[1] - range[0]));
        }
        tensors.add(new TensorLocation(name, dtype, shape, file, dataOffset + range[0], bytes));
    }

    private long[] numbers(String what, int most) throws IOException {
        json.startArray(what);
        long[] values = new long[most];
        int count = 0;
        for (long value = json.numberOrEnd(what); value >= 0; value = json.numberOrEnd(what)) {
            if (count == most) {
                throw json.damaged(what + " has more than " + most + " numbers");
            }
            values[count++] = value;
        }
        return Arrays.copyOf(values, count);
    }

    private void checkCoverage() {
        long covered = dataOffset;
        TensorLocation last = null;
        for (TensorLocation tensor : tensors) {
            if (tensor.offset() < covered) {
                throw new InvalidInputException("Cannot read " + file + ": tensor '" + tensor.name() + "' at byte "
                        + tensor.offset() + " overlaps tensor '" + last.name() + "', which ends at byte " + covered);
            }
            if (tensor.offset() > covered) {
                throw new InvalidInputException("Cannot read " + file + ": bytes " + covered + " to " + tensor.offset()
                        + ", before tensor '" + tensor.name() + "', belong to no tensor");
            }
            covered = tensor.offset() + tensor.length();
            last = tensor;
        }
        if (covered != fileLength) {
            throw new InvalidInputException("Cannot read " + file + ": the tensors end at byte " + covered
                    + ", but the file has " + fileLength + " bytes");
        }
    }
}
