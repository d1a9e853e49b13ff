package io.sparkgguf.calibrate.text;

import io.sparkgguf.model.tokenizer.TextTokenizer;
import io.sparkgguf.model.tokenizer.TokenizerFacts;
import io.sparkgguf.model.tokenizer.TokenizerFiles;
import io.sparkgguf.model.tokenizer.TokenizerMetadata;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataValue;
import java.io.IOException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;

/**
 * One reading of text; what is opened on the way is kept in fields.
 *
 * <p>With a limit of tokens each file gives at most its share of what is missing yet, so that none is left out; when
 * some are too short for theirs and others were cut, all are read again, each until there is enough.
 */
final class TextReading {
    private final Storage storage;
    private final Metadata metadata;
    private final String modelFolder;
    private final TextSettings settings;
    private final TokenizerFacts facts;
    private TextTokenizer tokenizer;
    private WindowedEncoder encoder;
    private Optional<ChatTemplate> template;

    TextReading(Storage storage, Metadata metadata, String modelFolder, TextSettings settings) {
        this.storage = storage;
        this.metadata = metadata;
        this.modelFolder = modelFolder;
        this.settings = settings;
        this.facts = TokenizerFacts.of(metadata);
    }

    TokenSequences read() throws IOException {
        List<TextFile> files = TextFiles.find(storage, settings.sources(), settings.verb());
        List<TextFile> ordered = new ArrayList<>();
        for (int index : order(files.size())) {
            ordered.add(files.get(index));
        }
        try {
            Documents documents = gather(ordered);
            return pack(documents);
        } finally {
            if (tokenizer != null) {
                tokenizer.close();
            }
        }
    }

    private int[] order(int count) {
        if (settings.packing() == Packing.DOCUMENTS) {
            return SeededOrder.of(count, settings.seed());
        }
        int[] order = new int[count];
        for (int i = 0; i < count; i++) {
            order[i] = i;
        }
        return order;
    }

    private Documents gather(List<TextFile> files) throws IOException {
        int length = settings.sequenceLength();
        if (settings.tokens() == 0) {
            Documents documents = gather(files, Documents.MAX_TOKENS, false);
            if (documents.isCut()) {
                throw refuse("it has more than " + Documents.MAX_TOKENS + " tokens; limit how many are taken");
            }
            return documents;
        }
        int wanted = (int) Math.min(Documents.MAX_TOKENS / length, settings.tokens() / length) * length;
        Documents documents = gather(files, wanted, settings.packing() == Packing.DOCUMENTS);
        return documents.isFull() || !documents.isCut() ? documents : gather(files, wanted, false);
    }

    private Documents gather(List<TextFile> files, int wanted, boolean inShares) throws IOException {
        Documents documents = new Documents(facts, settings.packing() == Packing.DOCUMENTS);
        int left = files.size();
        for (TextFile file : files) {
            int missing = wanted - documents.size();
            int share = inShares ? -Math.floorDiv(-missing, left) : missing;
            documents.limit(documents.size() + share);
            left--;
            if (share == 0) {
                documents.markCut();
                break;
            }
            try (RangeReader reader = storage.open(file.file())) {
                read(file, reader, documents);
            }
        }
        return documents;
    }

    private void read(TextFile file, RangeReader reader, Documents documents) throws IOException {
        switch (file.kind()) {
            case PLAIN -> readPlain(file, reader, documents);
            case JSON_LINES -> readLines(file, reader, documents);
            case INT32 -> new TokenIds(file, reader, facts).readInt32(documents);
            case SAFETENSORS -> new TokenIds(file, reader, facts).readSafetensors(documents);
        }
    }

    private void readPlain(TextFile file, RangeReader reader, Documents documents) throws IOException {
        long end = reader.length();
        if (end > 0 && settings.packing() == Packing.LLAMA) {
            byte[] last = new byte[1];
            reader.readFully(end - 1, last, 0, 1);
            end -= last[0] == '\n' ? 1 : 0;
        }
        encode(file, new Utf8Text(file, reader, end), documents);
    }

    private void readLines(TextFile file, RangeReader reader, Documents documents) throws IOException {
        JsonLines lines = new JsonLines(file, reader, template());
        for (String text = lines.next(); text != null; text = lines.next()) {
            if (documents.isFull()) {
                documents.markCut();
                return;
            }
            encode(file, Characters.of(text), documents);
        }
    }

    private void encode(TextFile file, Characters text, Documents documents) throws IOException {
        int before = documents.size();
        documents.begin(true);
        encoder(file).encode(text, documents);
        documents.requireKnown(before, file);
        documents.end(true);
    }

    private Optional<ChatTemplate> template() {
        if (template == null) {
            template = ChatTemplate.of(metadata);
        }
        return template;
    }

    private WindowedEncoder encoder(TextFile file) throws IOException {
        if (encoder == null) {
            tokenizer = openTokenizer(file);
            encoder = new WindowedEncoder(tokenizer::encode);
        }
        return encoder;
    }

    private TextTokenizer openTokenizer(TextFile file) throws IOException {
        String folder = settings.tokenizer() != null ? settings.tokenizer() : modelFolder;
        if (folder == null) {
            throw file.refuse("a GGUF model has no tokenizer.json to make tokens of text with; name the Hugging Face"
                    + " folder of its tokenizer with --tokenizer, or give token ids");
        }
        if (!storage.exists(folder) || !storage.exists(storage.resolve(folder, "tokenizer.json"))) {
            throw file.refuse("there is no tokenizer.json in " + folder + " to make tokens of text with; name another"
                    + " Hugging Face folder with --tokenizer, or give token ids");
        }
        TokenizerFiles files = TokenizerFiles.read(storage, folder);
        if (settings.tokenizer() != null) {
            requireSameVocabulary(folder, files);
        }
        return TextTokenizer.open(files);
    }

    private void requireSameVocabulary(String folder, TokenizerFiles files) {
        MetadataValue.Strings own = TokenizerFacts.tokens(metadata).orElse(null);
        if (own == null) {
            throw new InvalidInputException(
                    "Cannot use tokenizer " + folder + ": the model lists no tokens to compare it with");
        }
        boolean cuts = metadata.string("tokenizer.ggml.model").equals(Optional.of("gpt2"));
        String cutting = cuts ? metadata.string("tokenizer.ggml.pre").orElse(null) : null;
        Metadata read = TokenizerMetadata.read(files, own.count(), cutting).metadata();
        MetadataValue.Strings others = TokenizerFacts.tokens(read).orElseThrow();
        for (int id = 0; id < own.count(); id++) {
            if (!own.get(id).equals(others.get(id))) {
                throw new InvalidInputException("Cannot use tokenizer " + folder + ": its token " + id + " is '"
                        + others.get(id) + "', the model's is '" + own.get(id) + "'");
            }
        }
    }

    private TokenSequences pack(Documents documents) {
        int length = settings.sequenceLength();
        int size = documents.size();
        if (size == 0) {
            throw refuse("there is no text in it");
        }
        if (size < length) {
            throw refuse(size + " tokens are less than one sequence of " + length);
        }
        int kept = size / length * length;
        int[] tokens = new int[kept];
        BitSet masked = new BitSet();
        int at = 0;
        for (int document : order(documents.count())) {
            int some = Math.min(documents.end(document) - documents.start(document), kept - at);
            System.arraycopy(documents.tokens(), documents.start(document), tokens, at, some);
            at += some;
            boolean ended = documents.isWhole(document) && documents.start(document) + some == documents.end(document);
            if (settings.packing() == Packing.DOCUMENTS && ended && some > 0) {
                masked.set(at - 1);
            }
        }
        int[] ends = new int[kept / length];
        for (int i = 0; i < ends.length; i++) {
            ends[i] = (i + 1) * length;
            if (settings.packing() == Packing.LLAMA && facts.addsBos()) {
                tokens[i * length] = facts.bos().getAsInt();
            }
        }
        return new TokenSequences(tokens, ends, masked, documents.count(), size, notes());
    }

    private List<String> notes() {
        long rough = encoder == null ? 0 : encoder.roughJoins();
        return rough == 0
                ? List.of()
                : List.of("text was cut at " + rough + " places where it repeats one thing over "
                        + WindowedEncoder.WINDOW + " characters; tokens beside them may differ from the whole text's");
    }

    private InvalidInputException refuse(String reason) {
        List<String> sources = settings.sources();
        String more = sources.size() == 1 ? "" : " and " + (sources.size() - 1) + " more";
        return new InvalidInputException(
                "Cannot " + settings.verb() + " with " + sources.get(0) + more + ": " + reason);
    }
}
