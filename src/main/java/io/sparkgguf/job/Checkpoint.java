package io.sparkgguf.job;

import io.sparkgguf.format.gguf.GgufSource;
import io.sparkgguf.format.safetensors.SafetensorsCheckpoint;
import io.sparkgguf.model.CheckpointMapping;
import io.sparkgguf.model.HfConfig;
import io.sparkgguf.model.Model;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.model.RowOrder;
import io.sparkgguf.model.tokenizer.PreTokenizer;
import io.sparkgguf.model.tokenizer.TokenizerFiles;
import io.sparkgguf.model.tokenizer.TokenizerMetadata;
import io.sparkgguf.storage.Names;
import io.sparkgguf.storage.PinnedStorage;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.Storage.FileStatus;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.TensorLocation;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A source, opened: headers read, names mapped, nothing of the weights.
 *
 * @param location as the user named it
 * @param kind what it is
 * @param model as GGUF sees it
 * @param files that hold its tensors, as they were just before they were opened
 * @param preTokenizer how {@code tokenizer.ggml.pre} was found; empty for GGUF sources and other tokenizers
 * @param notes what was noticed while it was opened
 * @param shards number of files of a GGUF source; 1 for others
 * @param shardOf which of them holds a tensor, by name; empty when there is one
 */
public record Checkpoint(
        String location,
        Kind kind,
        Model model,
        List<FileStatus> files,
        Optional<PreTokenizer> preTokenizer,
        List<String> notes,
        int shards,
        Map<String, Integer> shardOf) {

    /** What is read of a Hugging Face folder beside the tensors' files. */
    private static final List<String> READ_BESIDE = Stream.concat(
                    Stream.of(SafetensorsCheckpoint.INDEX), TokenizerFiles.names().stream())
            .toList();

    /** What a source can be. */
    public enum Kind {
        HUGGING_FACE("huggingface"),
        GGUF("gguf");

        private final String label;

        Kind(String label) {
            this.label = label;
        }

        public String label() {
            return label;
        }
    }

    /**
     * Opens a Hugging Face folder or a GGUF file.
     *
     * @param preTokenizer id for {@code tokenizer.ggml.pre}, or null to find it
     */
    static Checkpoint open(Storage storage, String location, String preTokenizer) throws IOException {
        FileStatus status;
        try {
            status = storage.status(location);
        } catch (FileNotFoundException e) {
            throw new InvalidInputException("Cannot open model " + location + ": no such file or folder", e);
        }
        if (!status.folder() && location.endsWith(".safetensors")) {
            throw new InvalidInputException("Cannot open model " + location
                    + ": it is one file of a Hugging Face checkpoint; name the folder, which holds config.json too");
        }
        return status.folder() ? huggingFace(storage, location, preTokenizer) : gguf(storage, location, preTokenizer);
    }

    private static Checkpoint huggingFace(Storage storage, String folder, String preTokenizer) throws IOException {
        if (!storage.exists(storage.resolve(folder, "config.json"))) {
            Optional<FileStatus> gguf = storage.list(folder).stream()
                    .filter(file -> file.fileName().endsWith(".gguf"))
                    .findFirst();
            throw new InvalidInputException("Cannot open model " + folder + ": no config.json in it"
                    + gguf.map(file -> "; to read the GGUF file there, name it: " + file.file())
                            .orElse(", so it is no Hugging Face folder"));
        }
        PinnedStorage seen = PinnedStorage.of(storage, listed(storage, folder));
        SafetensorsCheckpoint stored = SafetensorsCheckpoint.open(seen, folder);
        HfConfig config = config(storage, storage.resolve(folder, "config.json"));
        String generation = storage.resolve(folder, "generation_config.json");
        Model mapped = CheckpointMapping.map(
                config,
                storage.exists(generation) ? Optional.of(config(storage, generation)) : Optional.empty(),
                folderName(storage.status(folder)),
                stored.tensors());
        TokenizerMetadata tokenizer =
                TokenizerMetadata.read(TokenizerFiles.read(storage, folder), vocabulary(mapped), preTokenizer);
        Metadata metadata = mapped.metadata().copy().putAll(tokenizer.metadata());
        return new Checkpoint(
                folder,
                Kind.HUGGING_FACE,
                new Model(mapped.architecture(), metadata, mapped.tensors()),
                stored.files().stream().map(seen.pinned()::get).toList(),
                tokenizer.preTokenizer(),
                tokenizer.notes(),
                1,
                Map.of());
    }

    /** The folder's safetensors files, under the names that they are opened by. */
    private static List<FileStatus> listed(Storage storage, String folder) throws IOException {
        List<FileStatus> files = new ArrayList<>();
        for (FileStatus entry : storage.list(folder)) {
            String name = entry.fileName();
            if (!entry.folder() && SafetensorsCheckpoint.isFileName(name)) {
                files.add(entry.named(storage.resolve(folder, name)));
            }
        }
        return files;
    }

    private static HfConfig config(Storage storage, String file) throws IOException {
        try (RangeReader reader = storage.open(file)) {
            if (reader.length() > HfConfig.MAX_BYTES) {
                throw new InvalidInputException("Cannot read " + file + ": it has " + reader.length()
                        + " bytes, more than the " + HfConfig.MAX_BYTES + " allowed");
            }
            byte[] json = new byte[(int) reader.length()];
            reader.readFully(0, json, 0, json.length);
            return HfConfig.parse(file, json);
        }
    }

    /** The last part of a path or URI, whichever way it is written. */
    private static String folderName(FileStatus folder) {
        String name = folder.file();
        if (Names.scheme(name).isEmpty()) { // so that "." has a name too
            name = Path.of(name).toAbsolutePath().normalize().toString();
        }
        return name.substring(name.lastIndexOf('/') + 1);
    }

    /** Rows of the token embedding. */
    private static int vocabulary(Model model) {
        return model.tensors().stream()
                .filter(tensor -> tensor.name().equals("token_embd.weight"))
                .mapToInt(tensor -> Math.toIntExact(tensor.shape().dimension(0)))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("Cannot find token_embd.weight in a mapped model"));
    }

    private static Checkpoint gguf(Storage storage, String file, String preTokenizer) throws IOException {
        PinnedStorage seen = PinnedStorage.atFirstSight(storage);
        GgufSource source = GgufSource.open(seen, file);
        Metadata metadata = source.metadata();
        String architecture = metadata.string("general.architecture")
                .orElseThrow(() -> new InvalidInputException(
                        "Cannot use " + file + ": its metadata has no text under general.architecture"));
        if (preTokenizer != null) {
            metadata.putString(
                    "tokenizer.ggml.pre", PreTokenizer.named(preTokenizer).id());
        }
        List<ModelTensor> tensors = new ArrayList<>();
        Map<String, Integer> shardOf = new LinkedHashMap<>();
        for (TensorLocation tensor : source.tensors()) {
            tensors.add(new ModelTensor(
                    tensor.name(), tensor.shape(), new ModelTensor.Stored(List.of(tensor), RowOrder.AS_STORED)));
            if (source.shards().size() > 1) {
                shardOf.put(tensor.name(), source.shardOf(tensor.name()));
            }
        }
        if (tensors.isEmpty()) {
            throw new InvalidInputException("Cannot use " + file + ": it holds no tensors");
        }
        return new Checkpoint(
                file,
                Kind.GGUF,
                new Model(architecture, metadata, tensors),
                source.shards().stream()
                        .map(shard -> seen.pinned().get(shard.file()))
                        .toList(),
                Optional.empty(),
                List.of(),
                source.shards().size(),
                shardOf);
    }

    /** Whether this is a file that the model is read from. */
    boolean reads(Storage storage, String file) throws IOException {
        for (FileStatus read : files) {
            if (storage.isSameFile(file, read.file())) {
                return true;
            }
        }
        if (kind == Kind.HUGGING_FACE) {
            for (String name : READ_BESIDE) {
                if (storage.isSameFile(file, storage.resolve(location, name))) {
                    return true;
                }
            }
        }
        return false;
    }

    /** All files that the model is read from, as they are now. */
    List<FileStatus> readFiles(Storage storage) throws IOException {
        List<FileStatus> all = new ArrayList<>(files);
        if (kind == Kind.HUGGING_FACE) {
            for (String name : READ_BESIDE) {
                String file = storage.resolve(location, name);
                if (storage.exists(file)) {
                    all.add(storage.status(file));
                }
            }
        }
        return all;
    }

    /** The storage for tasks, which opens the files that hold tensors only as long as they are what they were. */
    PinnedStorage pin(Storage storage) {
        return PinnedStorage.of(storage, files);
    }

    /** Refuses to go on when a file that holds tensors is no longer as it was. */
    void requireUnchanged(Storage storage) throws IOException {
        pin(storage).requireUnchanged();
    }

    /** The Hugging Face folder with the model's own tokenizer; null for a GGUF file, which has none to make tokens with. */
    String tokenizerFolder() {
        return kind == Kind.HUGGING_FACE ? location : null;
    }

    /** Bytes of all tensors as they are stored. */
    long tensorBytes() {
        long sum = 0;
        for (ModelTensor tensor : model.tensors()) {
            if (tensor.source() instanceof ModelTensor.Stored stored) {
                sum += stored.parts().stream()
                        .distinct()
                        .mapToLong(TensorLocation::length)
                        .sum();
            }
        }
        return sum;
    }

    /** The model's tensors by name. */
    Map<String, ModelTensor> tensorsByName() {
        Map<String, ModelTensor> byName = new LinkedHashMap<>();
        model.tensors().forEach(tensor -> byName.put(tensor.name(), tensor));
        return byName;
    }
}
