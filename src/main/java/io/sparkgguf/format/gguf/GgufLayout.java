package io.sparkgguf.format.gguf;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataValue;
import io.sparkgguf.tensor.Shape;
import io.sparkgguf.tensor.TensorLocation;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A whole GGUF file before any weight of it exists: the header's bytes, and the byte range of every tensor. Sizes follow
 * from shape and type alone, and each tensor begins where the one before it, padded, ends.
 *
 * <p>Writes version 3. The alignment is what {@code general.alignment} in the metadata says, else 32. Shapes are written
 * as given, dimensions of 1 too. Whatever {@link GgufReader} would refuse is refused here.
 */
public final class GgufLayout implements Serializable {
    private static final long serialVersionUID = 1L;

    /** What goes into the tensor table. @param shape outermost first */
    public record Entry(String name, Shape shape, BlockType type) implements Serializable {}

    private final byte[] header;
    private final List<GgufTensor> tensors;
    private final long alignment;
    private final long length;

    private GgufLayout(byte[] header, List<GgufTensor> tensors, long alignment, long length) {
        this.header = header;
        this.tensors = tensors;
        this.alignment = alignment;
        this.length = length;
    }

    /**
     * @param entries in the order of the file
     * @throws InvalidInputException when the metadata or a tensor cannot be stored in a GGUF file
     */
    public static GgufLayout of(Metadata metadata, List<Entry> entries) {
        long alignment;
        try {
            alignment = GgufRules.alignment(metadata);
        } catch (InvalidInputException e) {
            throw new InvalidInputException("Cannot write GGUF metadata: " + e.getMessage(), e);
        }
        if (entries.size() > GgufRules.MAX_TENSORS || metadata.size() > GgufRules.MAX_PAIRS) {
            throw new InvalidInputException(
                    "Cannot write a GGUF file of " + entries.size() + " tensors and " + metadata.size()
                            + " key-value pairs: more than the " + GgufRules.MAX_TENSORS + " of each allowed");
        }
        List<GgufTensor> tensors = placed(entries, alignment);
        byte[] header = header(metadata, tensors, alignment);
        long length = header.length;
        if (!tensors.isEmpty()) {
            GgufTensor last = tensors.get(tensors.size() - 1);
            try {
                length = Math.addExact(length, GgufRules.padded(last.end(), alignment));
            } catch (ArithmeticException e) {
                throw tooLong(last.name(), e);
            }
        }
        return new GgufLayout(header, List.copyOf(tensors), alignment, length);
    }

    private static List<GgufTensor> placed(List<Entry> entries, long alignment) {
        List<GgufTensor> tensors = new ArrayList<>(entries.size());
        Set<String> names = new HashSet<>();
        long offset = 0;
        for (Entry entry : entries) {
            String fault = fault(entry);
            if (!names.add(entry.name())) {
                fault = "there is another tensor of this name";
            }
            if (fault != null) {
                throw new InvalidInputException("Cannot write tensor " + Quoted.of(entry.name()) + ": " + fault);
            }
            GgufTensor tensor = new GgufTensor(entry.name(), entry.shape(), entry.type(), offset);
            tensors.add(tensor);
            try {
                offset = GgufRules.padded(tensor.end(), alignment);
            } catch (ArithmeticException e) {
                throw tooLong(entry.name(), e);
            }
        }
        return tensors;
    }

    private static String fault(Entry entry) {
        Optional<byte[]> name = GgufRules.utf8(entry.name());
        if (name.isEmpty()) {
            return "its name is not Unicode text without zeros";
        }
        String nameFault = GgufRules.nameLengthFault(name.get().length);
        if (nameFault != null) {
            return nameFault;
        }
        String tensorFault = GgufRules.tensorFault(entry.shape(), entry.type());
        return tensorFault == null ? null : "it " + tensorFault;
    }

    private static InvalidInputException tooLong(String name, ArithmeticException cause) {
        return new InvalidInputException(
                "Cannot write tensor " + Quoted.of(name) + ": the file would have more than 2^63 - 1 bytes", cause);
    }

    private static byte[] header(Metadata metadata, List<GgufTensor> tensors, long alignment) {
        GgufBuffer out = pairs(metadata, tensors.size());
        for (GgufTensor tensor : tensors) {
            out.putString(GgufRules.utf8(tensor.name()).orElseThrow());
            out.putInt(tensor.shape().rank());
            for (long dimension : tensor.shape().reversed().toArray()) {
                out.putLong(dimension);
            }
            out.putInt(tensor.type().id());
            out.putLong(tensor.offset());
        }
        out.padTo(alignment);
        return out.toByteArray();
    }

    private static GgufBuffer pairs(Metadata metadata, int tensors) {
        GgufBuffer out = new GgufBuffer();
        out.putInt(GgufRules.MAGIC);
        out.putInt(GgufRules.VERSION);
        out.putLong(tensors);
        out.putLong(metadata.size());
        for (Map.Entry<String, MetadataValue> pair : metadata.asMap().entrySet()) {
            String key = pair.getKey();
            byte[] utf8 = GgufRules.utf8(key)
                    .orElseThrow(() -> new InvalidInputException(
                            "Cannot write key " + Quoted.of(key) + ": it is not Unicode text without zeros"));
            String fault = GgufRules.keyLengthFault(utf8.length);
            if (fault != null) {
                throw new InvalidInputException("Cannot write key " + Quoted.of(key) + ": " + fault);
            }
            out.putString(utf8);
            out.putInt(pair.getValue().type().id());
            out.putValue(pair.getValue());
        }
        return out;
    }

    /** Bytes of a header with these pairs and before its tensor table. */
    static long pairsEnd(Metadata metadata) {
        return pairs(metadata, 0).size();
    }

    /** The file's bytes before the data section, padding included; a copy. */
    public byte[] header() {
        return header.clone();
    }

    /** The file's byte at which the data section begins: the header's length. */
    public long dataStart() {
        return header.length;
    }

    /** In the order of the file, with offsets from {@link #dataStart()}. */
    public List<GgufTensor> tensors() {
        return tensors;
    }

    /** The file's byte at which tensor {@code index} begins. */
    public long start(int index) {
        return header.length + tensors.get(index).offset();
    }

    /** One past the last byte of tensor {@code index}; zeros follow up to the next tensor's start, or to the file's end. */
    public long end(int index) {
        return header.length + tensors.get(index).end();
    }

    /** Where tensor {@code index} will lie when the file is written under this name. */
    public TensorLocation location(int index, String file) {
        GgufTensor tensor = tensors.get(index);
        return new TensorLocation(tensor.name(), tensor.type(), tensor.shape(), file, start(index), tensor.bytes());
    }

    /** Every tensor begins at a multiple of this many bytes from {@link #dataStart()}. */
    public long alignment() {
        return alignment;
    }

    /** Bytes of the whole file, the padding of the last tensor included. */
    public long length() {
        return length;
    }
}
