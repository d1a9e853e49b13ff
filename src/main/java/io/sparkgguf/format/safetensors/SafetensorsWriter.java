package io.sparkgguf.format.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.Shape;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Writes one safetensors file: the header first, then the tensors' bytes as they come, in the order of the header.
 *
 * <p>The header is padded with blanks so that the data starts at a multiple of 8 bytes.
 */
public final class SafetensorsWriter implements Closeable {
    private final OutputStream out;
    private final long dataBytes;
    private long written;

    /** One tensor of the file to be. */
    public record Entry(String name, DType dtype, Shape shape) {
        /** Bytes of its data. */
        public long bytes() {
            return dtype.bytes(shape.elements());
        }
    }

    /**
     * Writes the header.
     *
     * @param out closed with this writer
     * @throws IllegalArgumentException as {@link #header}
     */
    public SafetensorsWriter(OutputStream out, List<Entry> tensors, Map<String, String> metadata) throws IOException {
        this.out = out;
        this.dataBytes = tensors.stream().mapToLong(Entry::bytes).reduce(0, Math::addExact);
        out.write(header(tensors, metadata));
    }

    /**
     * The bytes before the data, the length's eight included; the data of tensor i follows that of tensor i - 1.
     *
     * @param metadata free text under {@code __metadata__}; left out when empty
     * @throws IllegalArgumentException when a name comes twice or is reserved, or the header is over the format's limit
     */
    public static byte[] header(List<Entry> tensors, Map<String, String> metadata) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.writeBytes(new byte[8]);
        Set<String> names = new HashSet<>(Set.of("__metadata__"));
        long end = 0;
        try (JsonGenerator json = new JsonFactory().createGenerator(bytes)) {
            json.writeStartObject();
            if (!metadata.isEmpty()) {
                json.writeObjectFieldStart("__metadata__");
                for (Map.Entry<String, String> entry : metadata.entrySet()) {
                    json.writeStringField(entry.getKey(), entry.getValue());
                }
                json.writeEndObject();
            }
            for (Entry tensor : tensors) {
                if (!names.add(tensor.name())) {
                    throw new IllegalArgumentException(
                            "Cannot write tensor '" + tensor.name() + "': the name is reserved or comes twice");
                }
                long begin = end;
                end = Math.addExact(begin, tensor.bytes());
                long[] dimensions = tensor.shape().toArray();
                json.writeObjectFieldStart(tensor.name());
                json.writeStringField("dtype", tensor.dtype().label());
                json.writeFieldName("shape");
                json.writeArray(dimensions, 0, dimensions.length);
                json.writeFieldName("data_offsets");
                json.writeArray(new long[] {begin, end}, 0, 2);
                json.writeEndObject();
            }
            json.writeEndObject();
        } catch (IOException e) {
            throw new IllegalArgumentException("Cannot write a safetensors header: " + e.getMessage(), e);
        }
        int length = bytes.size();
        byte[] header = Arrays.copyOf(bytes.toByteArray(), Math.addExact(length, 7) / 8 * 8);
        Arrays.fill(header, length, header.length, (byte) ' ');
        if (header.length - 8 > SafetensorsReader.MAX_HEADER_BYTES) {
            throw new IllegalArgumentException("Cannot write a safetensors header of " + (header.length - 8)
                    + " bytes: the limit is " + SafetensorsReader.MAX_HEADER_BYTES);
        }
        ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).putLong(0, header.length - 8L);
        return header;
    }

    /**
     * Writes the next bytes of the data.
     *
     * @throws IllegalStateException when they are more than the header promised
     */
    public void write(byte[] bytes, int at, int count) throws IOException {
        if (count > dataBytes - written) {
            throw new IllegalStateException(
                    "Cannot write " + count + " bytes after " + written + ": the header promises " + dataBytes);
        }
        out.write(bytes, at, count);
        written += count;
    }

    /**
     * Closes the stream.
     *
     * @throws IllegalStateException when bytes that the header promised are missing; the stream is closed all the same
     */
    @Override
    public void close() throws IOException {
        out.close();
        if (written != dataBytes) {
            throw new IllegalStateException(
                    "Cannot finish the safetensors file: " + written + " bytes of " + dataBytes + " were written");
        }
    }
}
