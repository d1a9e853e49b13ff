package io.sparkgguf.model.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToIntFunction;

/**
 * What a GGUF file says of its tokenizer.
 *
 * @param metadata the {@code tokenizer.*} keys, in the order of the file
 * @param preTokenizer how text is cut before byte-level BPE; empty for the other kinds, which do not cut
 * @param notes what llama.cpp will do otherwise than transformers, and what was left out; a line each, for the report
 */
public record TokenizerMetadata(Metadata metadata, Optional<PreTokenizer> preTokenizer, List<String> notes) {

    /** Rows of the largest embedding that is believed. */
    private static final int MAX_ROWS = 1 << 24;

    public TokenizerMetadata {
        notes = List.copyOf(notes);
    }

    /**
     * Reads the tokenizer of a checkpoint's folder. A byte-level tokenizer.json comes first, then tokenizer.model, then
     * any other tokenizer.json.
     *
     * @param rows of the token embedding; the tokenizer must not have more tokens, and gets as many
     * @param preTokenizer the id that the user names, null to find it
     * @throws InvalidInputException when there is no tokenizer, it is damaged, larger than the embedding, or none that
     *     llama.cpp can follow
     */
    public static TokenizerMetadata read(TokenizerFiles files, int rows, String preTokenizer) {
        return read(files, rows, preTokenizer, ExactTokenizer::digests);
    }

    static TokenizerMetadata read(
            TokenizerFiles files, int rows, String preTokenizer, PreTokenizerFinder.Digester digester) {
        if (rows <= 0 || rows > MAX_ROWS) {
            throw new InvalidInputException(
                    "Cannot use the tokenizer: the embedding has " + rows + " rows, not 1 to " + MAX_ROWS);
        }
        return new Reader(files, rows, preTokenizer, digester).read();
    }

    /** One reading; what is found on the way is kept in fields. */
    private static final class Reader {
        private final TokenizerFiles files;
        private final int rows;
        private final String preTokenizer;
        private final PreTokenizerFinder.Digester digester;
        private final List<String> notes = new ArrayList<>();
        private final Metadata metadata = new Metadata();
        private final JsonInput config;
        private final SpecialTokens special;

        /** Ids of texts as the tokenizer's files spell them, to find special tokens by. */
        private final Map<String, Integer> ids = new HashMap<>();

        private Reader(TokenizerFiles files, int rows, String preTokenizer, PreTokenizerFinder.Digester digester) {
            this.files = files;
            this.rows = rows;
            this.preTokenizer = preTokenizer;
            this.digester = digester;
            this.config = JsonInput.read(files, TokenizerFiles.TOKENIZER_CONFIG);
            this.special = new SpecialTokens(config, JsonInput.read(files, TokenizerFiles.SPECIAL_TOKENS_MAP), notes);
        }

        private TokenizerMetadata read() {
            Optional<FastTokenizer> tokenizer = FastTokenizer.read(files);
            Optional<byte[]> model = files.get(TokenizerFiles.TOKENIZER_MODEL);
            boolean byteLevel = tokenizer.map(FastTokenizer::isByteLevel).orElse(false);
            if (!byteLevel && preTokenizer != null && (tokenizer.isPresent() || model.isPresent())) {
                throw new InvalidInputException("Cannot use the pre-tokenizer " + JsonInput.quote(preTokenizer)
                        + ": the tokenizer is SentencePiece's, which has none");
            }
            tokenizer.ifPresent(fast -> fast.checkIds(rows));
            tokenizer.ifPresent(special::readPostProcessor);
            special.readFlags(config);
            Optional<PreTokenizer> found = Optional.empty();
            ToIntFunction<String> own = name -> -1;
            if (byteLevel) {
                found = Optional.of(readByteLevel(tokenizer.get()));
            } else if (model.isPresent()) {
                SentencePieceModel pieces = SentencePieceModel.parse(model.get());
                readModel(pieces, tokenizer);
                own = pieces::specialId;
            } else if (tokenizer.isPresent()) {
                readSentencePieceJson(tokenizer.get());
            } else {
                throw new InvalidInputException(
                        "Cannot read the tokenizer: the folder has neither tokenizer.json nor tokenizer.model");
            }
            if (tokenizer.isPresent() || metadata.string("tokenizer.ggml.model").equals(Optional.of("t5"))) {
                // A lone tokenizer.model of BPE is Llama's: llama.cpp's own default fits it.
                special.readClass(config);
            }
            List<JsonInput> configs = List.of(
                    JsonInput.read(files, TokenizerFiles.CONFIG),
                    JsonInput.read(files, TokenizerFiles.GENERATION_CONFIG));
            special.write(metadata, ids::get, own, configs, rows);
            ChatTemplates.write(metadata, files, config, notes);
            return new TokenizerMetadata(metadata, found, notes);
        }

        private PreTokenizer readByteLevel(FastTokenizer tokenizer) {
            Vocabulary vocabulary = new Vocabulary(TokenizerFiles.TOKENIZER_JSON, rows);
            Merges merges = ByteLevelVocabulary.addTokens(vocabulary, tokenizer);
            addAddedTokens(vocabulary, tokenizer, 0);
            PreTokenizer found = new PreTokenizerFinder(digester, notes)
                    .find(
                            tokenizer,
                            files.get(TokenizerFiles.TOKENIZER_JSON).orElseThrow(),
                            ids.get(special.firstToken()),
                            merges,
                            config,
                            preTokenizer);
            ByteLevelVocabulary.write(metadata, found);
            vocabulary.write(metadata, false);
            metadata.putStrings("tokenizer.ggml.merges", merges.lines());
            if (tokenizer.steps("normalizer", "normalizers").stream()
                    .anyMatch(step -> FastTokenizer.isType(step, "NFC"))) {
                notes.add("transformers composes characters (NFC) before it tokenizes, llama.cpp does not");
            }
            if (files.get(TokenizerFiles.TOKENIZER_MODEL).isPresent()) {
                notes.add("tokenizer.json is byte-level BPE and counts; tokenizer.model was not read");
            }
            return found;
        }

        private void readModel(SentencePieceModel model, Optional<FastTokenizer> tokenizer) {
            Vocabulary vocabulary = new Vocabulary(TokenizerFiles.TOKENIZER_MODEL, rows);
            SentencePieceVocabulary.addPieces(vocabulary, model);
            int id = 0;
            for (SentencePieceModel.Piece piece : model.pieces()) {
                ids.putIfAbsent(piece.text(), id++);
            }
            if (model.isUnigram()) {
                UnigramVocabulary.writeModel(metadata, vocabulary, model, notes);
            } else {
                SentencePieceVocabulary.writeModel(metadata, model, config, notes);
            }
            JsonInput added = JsonInput.read(files, TokenizerFiles.ADDED_TOKENS);
            if (added.exists()) {
                added.root()
                        .properties()
                        .forEach(entry -> replace(
                                vocabulary,
                                new AddedToken(
                                        added.id(entry.getValue(), entry.getKey()), entry.getKey(), false, false)));
            }
            List<AddedToken> all = new ArrayList<>();
            tokenizer.ifPresent(fast -> all.addAll(fast.added()));
            all.addAll(decoder());
            all.forEach(token -> replace(vocabulary, token));
            noteStrips(all);
            vocabulary.write(metadata, true);
        }

        private void replace(Vocabulary vocabulary, AddedToken token) {
            vocabulary.replace(
                    token.id(),
                    token.text(),
                    token.isControl() ? TokenType.CONTROL : TokenType.USER_DEFINED,
                    Vocabulary.ADDED_SCORE);
            ids.put(token.content(), token.id());
        }

        private void readSentencePieceJson(FastTokenizer tokenizer) {
            Vocabulary vocabulary = new Vocabulary(TokenizerFiles.TOKENIZER_JSON, rows);
            if (tokenizer.model().equals("Unigram")) {
                UnigramVocabulary.writeJson(metadata, vocabulary, tokenizer, notes);
            } else {
                SentencePieceVocabulary.writeJson(metadata, vocabulary, tokenizer, notes);
            }
            addAddedTokens(vocabulary, tokenizer, Vocabulary.ADDED_SCORE);
            vocabulary.write(metadata, true);
        }

        /**
         * Adds the added tokens of a tokenizer.json, those special that either file calls so; a token of the model that
         * the configuration names as bos or the like is special, too.
         */
        private void addAddedTokens(Vocabulary vocabulary, FastTokenizer tokenizer, float score) {
            ids.putAll(tokenizer.vocabulary());
            Map<String, AddedToken> decoder = new HashMap<>();
            decoder().forEach(token -> decoder.put(token.content(), token));
            for (AddedToken token : tokenizer.added()) {
                AddedToken other = decoder.remove(token.content());
                boolean control = token.isControl() || other != null && other.isControl();
                vocabulary.add(
                        token.id(),
                        control ? token.content() : token.text(),
                        control ? TokenType.CONTROL : TokenType.USER_DEFINED,
                        score);
                ids.put(token.content(), token.id());
            }
            for (String text : special.named(config)) {
                Integer id = tokenizer.vocabulary().get(text);
                if (id != null && vocabulary.type(id) == TokenType.NORMAL) {
                    vocabulary.replace(id, text, TokenType.CONTROL, score);
                }
            }
            if (!decoder.isEmpty()) {
                notes.add(decoder.size() + " added tokens of tokenizer_config.json are not in tokenizer.json and are"
                        + " left out");
            }
            noteStrips(tokenizer.added());
        }

        /** The added tokens that tokenizer_config.json lists by id. */
        private List<AddedToken> decoder() {
            List<AddedToken> added = new ArrayList<>();
            for (Map.Entry<String, JsonNode> entry :
                    config.get("added_tokens_decoder").properties()) {
                String content =
                        config.text(entry.getValue().path("content"), "the content of added token " + entry.getKey());
                if (!entry.getKey().matches("[0-9]{1,9}")) {
                    throw config.refuse(
                            "token " + JsonInput.quote(content) + " has the id " + JsonInput.quote(entry.getKey()));
                }
                added.add(FastTokenizer.addedToken(Integer.parseInt(entry.getKey()), content, entry.getValue()));
            }
            return added;
        }

        private void noteStrips(List<AddedToken> added) {
            long strips = added.stream().filter(AddedToken::strips).count();
            if (strips > 0) {
                notes.add(strips + " added tokens swallow spaces beside them or ask for word borders in transformers,"
                        + " not in llama.cpp");
            }
        }
    }
}
