package io.sparkgguf.calibrate.text;

import io.sparkgguf.format.safetensors.SafetensorsHeader;
import io.sparkgguf.format.safetensors.SafetensorsReader;
import io.sparkgguf.model.tokenizer.TokenizerFacts;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/**
 * Token ids that were made elsewhere: a file of little-endian int32, one document; or the tensor of integers in a
 * safetensors file that is called {@code input_ids} or {@code tokens} or is the only one, its rows documents. Nothing is
 * added to them. The padding of a row of several, at either side, is left out where the model names its padding token;
 * one that is the end-of-text token too stays once.
 */
final class TokenIds {
    private static final int CHUNK = 1 << 14;
    private static final List<String> NAMES = List.of("input_ids", "tokens");

    private final TextFile file;
    private final RangeReader reader;
    private final TokenizerFacts facts;
    private final byte[] bytes = new byte[8 * CHUNK];
    private final ByteBuffer fields = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);

    TokenIds(TextFile file, RangeReader reader, TokenizerFacts facts) {
        this.file = file;
        this.reader = reader;
        this.facts = facts;
    }

    void readInt32(Documents documents) throws IOException {
        if (reader.length() % 4 != 0) {
            throw file.refuse("it has " + reader.length() + " bytes, which is no whole number of int32 ids");
        }
        readRow(0, reader.length() / 4, DType.I32, OptionalPadding.NONE, documents);
    }

    void readSafetensors(Documents documents) throws IOException {
        TensorLocation tensor = tensor(SafetensorsReader.read(reader));
        DType type = (DType) tensor.encoding();
        switch (type) {
            case I64, U64, I32, U32, I16, U16, I8, U8 -> {}
            default -> throw file.refuse("tensor '" + tensor.name() + "' is of " + type + ", not of integers");
        }
        int rank = tensor.shape().rank();
        if (rank != 1 && rank != 2) {
            throw file.refuse("tensor '" + tensor.name() + "' has the shape " + tensor.shape()
                    + ", but ids are [tokens] or [documents, tokens]");
        }
        long rows = rank == 1 ? 1 : tensor.shape().dimension(0);
        long columns = tensor.shape().columns();
        OptionalPadding padding = rank == 2 ? new OptionalPadding(facts) : OptionalPadding.NONE;
        for (long row = 0; columns > 0 && row < rows; row++) {
            if (documents.isFull()) {
                documents.markCut();
                return;
            }
            readRow(tensor.offset() + row * columns * type.blockBytes(), columns, type, padding, documents);
        }
    }

    private TensorLocation tensor(SafetensorsHeader header) {
        for (String name : NAMES) {
            for (TensorLocation tensor : header.tensors()) {
                if (tensor.name().equals(name)) {
                    return tensor;
                }
            }
        }
        if (header.tensors().size() != 1) {
            throw file.refuse(
                    "it holds " + header.tensors().size() + " tensors, none of them called input_ids or tokens");
        }
        return header.tensors().get(0);
    }

    /** The id that fills up rows, if there is one, and whether one of them at the end means the end of the text. */
    private record OptionalPadding(int id, boolean endsText) {
        static final OptionalPadding NONE = new OptionalPadding(-1, false);

        OptionalPadding(TokenizerFacts facts) {
            this(
                    facts.padding().orElse(-1),
                    facts.padding().isPresent() && facts.padding().equals(facts.eos()));
        }
    }

    private void readRow(long offset, long count, DType type, OptionalPadding padding, Documents documents)
            throws IOException {
        documents.begin(false);
        int[] ids = new int[CHUNK];
        boolean begun = padding.id < 0;
        long withheld = 0; // padding that is left out unless something follows it
        long done = 0;
        while (done < count && !documents.isFull()) {
            int some = (int) Math.min(CHUNK, count - done);
            read(offset + done * type.blockBytes(), some, type, ids);
            done += some;
            for (int i = 0; i < some; ) {
                int end = i;
                if (padding.id >= 0 && ids[i] == padding.id) {
                    while (end < some && ids[end] == padding.id) {
                        end++;
                    }
                    withheld += begun ? end - i : 0;
                } else {
                    while (end < some && (padding.id < 0 || ids[end] != padding.id)) {
                        end++;
                    }
                    release(withheld, padding.id, documents);
                    withheld = 0;
                    begun = true;
                    documents.add(ids, i, end);
                }
                i = end;
            }
        }
        if (done < count) {
            documents.markCut();
        }
        release(padding.endsText ? Math.min(1, withheld) : 0, padding.id, documents);
        documents.end(done == count);
    }

    private static void release(long count, int id, Documents documents) {
        int[] one = {id};
        for (long i = 0; i < count && !documents.isFull(); i++) {
            documents.add(one, 0, 1);
        }
    }

    private void read(long offset, int count, DType type, int[] into) throws IOException {
        int size = type.blockBytes();
        reader.readFully(offset, bytes, 0, count * size);
        for (int i = 0; i < count; i++) {
            long id = switch (type) {
                case I64, U64 -> fields.getLong(8 * i);
                case I32 -> fields.getInt(4 * i);
                case U32 -> fields.getInt(4 * i) & 0xFFFFFFFFL;
                case I16 -> fields.getShort(2 * i);
                case U16 -> fields.getShort(2 * i) & 0xFFFF;
                case I8 -> fields.get(i);
                default -> fields.get(i) & 0xFF;
            };
            int most = facts.vocabulary() > 0 ? facts.vocabulary() : Integer.MAX_VALUE;
            if (id < 0 || id >= most) {
                throw file.refuse("token id " + (type == DType.U64 ? Long.toUnsignedString(id) : Long.toString(id))
                        + " at byte " + (offset + (long) i * size) + " is beyond the vocabulary of " + most
                        + "; another tokenizer made it, or the file holds something else");
            }
            into[i] = (int) id;
        }
    }
}
