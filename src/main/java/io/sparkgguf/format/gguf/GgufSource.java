package io.sparkgguf.format.gguf;

import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import io.sparkgguf.tensor.TensorLocation;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A model in one GGUF file or in several. A split model is named by its first file; the others' names follow from it.
 *
 * <p>The rules are those of llama.cpp's model loader: {@code split.count} above 1 makes a file a shard, every shard says
 * its own {@code split.no}, no tensor is in two shards, and {@code split.tensors.count} is their number. The metadata is
 * that of the first shard; what later shards say beside the split keys is ignored. Beyond those rules, all shards must
 * agree on {@code split.count}.
 */
public final class GgufSource {
    private final List<GgufHeader> shards;
    private final Metadata metadata;
    private final List<TensorLocation> tensors = new ArrayList<>();
    private final Map<String, Integer> shardByName = new HashMap<>();

    private GgufSource(List<GgufHeader> shards) {
        this.shards = List.copyOf(shards);
        this.metadata = GgufSplit.withoutSplitKeys(shards.get(0).metadata());
        for (int shard = 0; shard < shards.size(); shard++) {
            GgufHeader header = shards.get(shard);
            for (GgufTensor tensor : header.tensors()) {
                Integer other = shardByName.putIfAbsent(tensor.name(), shard);
                if (other != null) {
                    throw new InvalidInputException("Cannot read split GGUF file " + header.file() + ": tensor "
                            + Quoted.of(tensor.name()) + " is also in "
                            + shards.get(other).file());
                }
                tensors.add(header.location(tensor));
            }
        }
    }

    /**
     * Reads the headers of a model's file or files, and closes them again.
     *
     * @param file the file, or the first of a split model
     * @throws InvalidInputException when a file is damaged, or a shard is missing or not of this model
     */
    public static GgufSource open(Storage storage, String file) throws IOException {
        GgufHeader first = header(storage, file);
        Optional<Long> declared = splitValue(first, GgufRules.SPLIT_COUNT, MetadataType.U16);
        long count = declared.orElse(1L);
        if (count <= 1) {
            return new GgufSource(List.of(first));
        }
        requireFirst(first, count);
        String prefix = GgufSplit.prefix(file, 0, (int) count)
                .orElseThrow(
                        () -> new InvalidInputException("Cannot read split GGUF file " + file + ": it is the first of "
                                + count + ", so its name must end with " + GgufSplit.suffix(0, (int) count)));
        List<GgufHeader> shards = new ArrayList<>();
        shards.add(first);
        for (int shard = 1; shard < count; shard++) {
            shards.add(shard(storage, file, prefix + GgufSplit.suffix(shard, (int) count), shard, (int) count));
        }
        GgufSource source = new GgufSource(shards);
        long expected = required(first, GgufRules.SPLIT_TENSORS_COUNT, MetadataType.I32);
        if (expected != source.tensors.size()) {
            throw new InvalidInputException("Cannot read split GGUF file " + file + ": " + GgufRules.SPLIT_TENSORS_COUNT
                    + " is " + expected + ", but the " + count + " files hold " + source.tensors.size() + " tensors");
        }
        return source;
    }

    private static GgufHeader header(Storage storage, String file) throws IOException {
        try (RangeReader reader = storage.open(file)) {
            return GgufReader.read(reader);
        }
    }

    private static void requireFirst(GgufHeader header, long count) {
        long no = required(header, GgufRules.SPLIT_NO, MetadataType.U16);
        if (no != 0) {
            String first = no >= count
                    ? ""
                    : GgufSplit.prefix(header.file(), (int) no, (int) count)
                            .map(prefix -> ": " + prefix + GgufSplit.suffix(0, (int) count))
                            .orElse("");
            throw new InvalidInputException("Cannot read split GGUF file " + header.file() + ": it is file " + (no + 1)
                    + " of " + count + ", name the first" + first);
        }
    }

    private static GgufHeader shard(Storage storage, String first, String file, int shard, int count)
            throws IOException {
        GgufHeader header;
        try {
            header = header(storage, file);
        } catch (FileNotFoundException e) {
            throw new InvalidInputException(
                    "Cannot read split GGUF file " + first + ": file " + (shard + 1) + " of " + count + ", " + file
                            + ", is missing",
                    e);
        }
        long no = required(header, GgufRules.SPLIT_NO, MetadataType.U16);
        if (no != shard) {
            throw new InvalidInputException("Cannot read split GGUF file " + file + ": " + GgufRules.SPLIT_NO + " is "
                    + no + ", but by its name it must be " + shard);
        }
        long declared = required(header, GgufRules.SPLIT_COUNT, MetadataType.U16);
        if (declared != count) {
            throw new InvalidInputException("Cannot read split GGUF file " + file + ": " + GgufRules.SPLIT_COUNT
                    + " is " + declared + ", but " + first + " says " + count);
        }
        return header;
    }

    private static long required(GgufHeader header, String key, MetadataType type) {
        return splitValue(header, key, type)
                .orElseThrow(() -> new InvalidInputException(
                        "Cannot read split GGUF file " + header.file() + ": key " + key + " is missing"));
    }

    private static Optional<Long> splitValue(GgufHeader header, String key, MetadataType type) {
        Optional<MetadataValue> value = header.metadata().get(key);
        if (value.isPresent() && value.get().type() != type) {
            throw new InvalidInputException("Cannot read split GGUF file " + header.file() + ": key " + key
                    + " is of type " + value.get().type() + ", but must be " + type);
        }
        return value.map(number -> ((MetadataValue.Int) number).value());
    }

    /** The model's metadata without the split keys; a copy that may be changed. */
    public Metadata metadata() {
        return metadata.copy();
    }

    /** All tensors, in the order of the files and within a file of its data. */
    public List<TensorLocation> tensors() {
        return List.copyOf(tensors);
    }

    /** The headers of the files in their order; one when the model is not split. */
    public List<GgufHeader> shards() {
        return shards;
    }

    /**
     * The file, from 0, that holds this tensor.
     *
     * @throws IllegalArgumentException when there is no tensor of this name
     */
    public int shardOf(String tensor) {
        Integer shard = shardByName.get(tensor);
        if (shard == null) {
            throw new IllegalArgumentException("Cannot find tensor " + Quoted.of(tensor) + " in "
                    + shards.get(0).file());
        }
        return shard;
    }
}
