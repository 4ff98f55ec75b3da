//! Encodes the columns of row groups, on this thread or on several.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use arrow::datatypes::{FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use parquet::errors::ParquetError;
use parquet::schema::types::SchemaDescriptor;

/// Batches that may wait for a thread.
const BATCHES_AHEAD: usize = 2;

/// The encoders of all columns; each column belongs to one hand.
pub(super) struct Encoders {
    /// For each leaf of the Parquet schema the hand that it belongs to, if it is encoded here.
    owners: Vec<Option<usize>>,
    hands: Hands,
    /// Whether the threads have a group whose chunks were not taken yet.
    is_waiting: bool,
}

enum Hands {
    /// This thread does it.
    Own(Columns),
    Threads(Vec<Hand>),
}

/// Some columns of a table and the encoders of their leaves.
struct Columns {
    fields: Vec<(usize, FieldRef)>,
    writers: Vec<ArrowColumnWriter>,
}

struct Hand {
    words: SyncSender<Word>,
    chunks: Receiver<Result<Vec<ArrowColumnChunk>, ParquetError>>,
}

enum Word {
    Begin(Vec<ArrowColumnWriter>),
    Rows(RecordBatch),
    End,
}

impl Encoders {
    /// Encoders of the columns `own` of `schema`, which `parquet` describes, dealt out to at most `threads` threads.
    /// Batches hold these columns only.
    pub(super) fn new(schema: &Schema, own: &[usize], parquet: &SchemaDescriptor, threads: usize) -> Encoders {
        let count = threads.min(own.len()).max(1);
        let owner = |leaf: usize| own.binary_search(&parquet.get_column_root_idx(leaf)).ok().map(|index| index % count);
        let owners = (0..parquet.num_columns()).map(owner).collect();
        let deal = |hand: usize| {
            let fields = own.iter().map(|place| Arc::clone(&schema.fields()[*place])).enumerate();
            Columns { fields: fields.filter(|(index, _)| index % count == hand).collect(), writers: Vec::new() }
        };
        let hands = match count {
            1 => Hands::Own(deal(0)),
            _ => Hands::Threads((0..count).map(|hand| Hand::spawn(deal(hand))).collect()),
        };
        Encoders { owners, hands, is_waiting: false }
    }

    /// Begins a row group with the encoders of all leaves, in order.
    pub(super) fn begin(&mut self, writers: Vec<ArrowColumnWriter>) -> Result<(), ParquetError> {
        let owned = writers.into_iter().zip(&self.owners).filter_map(|(writer, owner)| Some((writer, (*owner)?)));
        match &mut self.hands {
            Hands::Own(columns) => columns.writers = owned.map(|(writer, _)| writer).collect(),
            Hands::Threads(hands) => {
                let mut dealt: Vec<Vec<ArrowColumnWriter>> = hands.iter().map(|_| Vec::new()).collect();
                for (writer, owner) in owned {
                    dealt[owner].push(writer);
                }
                for (hand, writers) in hands.iter().zip(dealt) {
                    hand.say(Word::Begin(writers))?;
                }
            }
        }
        Ok(())
    }

    /// Encodes rows of the group.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        match &mut self.hands {
            Hands::Own(columns) => columns.write(batch),
            Hands::Threads(hands) => hands.iter().try_for_each(|hand| hand.say(Word::Rows(batch.clone()))),
        }
    }

    /// Ends the row group. Gives a group that is ready to be written, if there is one: threads are one behind.
    pub(super) fn end(&mut self) -> Result<Option<Vec<ArrowColumnChunk>>, ParquetError> {
        match &mut self.hands {
            Hands::Own(columns) => columns.end().map(Some),
            Hands::Threads(hands) => {
                hands.iter().try_for_each(|hand| hand.say(Word::End))?;
                let before = self.last()?;
                self.is_waiting = true;
                Ok(before)
            }
        }
    }

    /// The group that is not written yet, if there is one.
    pub(super) fn last(&mut self) -> Result<Option<Vec<ArrowColumnChunk>>, ParquetError> {
        let Hands::Threads(hands) = &self.hands else { return Ok(None) };
        if !std::mem::take(&mut self.is_waiting) {
            return Ok(None);
        }
        let mut ended = Vec::with_capacity(hands.len());
        for hand in hands {
            ended.push(hand.chunks.recv().map_err(|_| gone())??.into_iter());
        }
        self.owners
            .iter()
            .flatten()
            .map(|owner| ended[*owner].next().ok_or_else(gone))
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

impl Columns {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        let mut writers = self.writers.iter_mut();
        for (index, field) in &self.fields {
            for (leaf, writer) in compute_leaves(field, batch.column(*index))?.iter().zip(&mut writers) {
                writer.write(leaf)?;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
        self.writers.drain(..).map(ArrowColumnWriter::close).collect()
    }
}

impl Hand {
    fn spawn(mut columns: Columns) -> Hand {
        let (words, heard) = sync_channel(BATCHES_AHEAD);
        let (ended, chunks) = channel();
        thread::spawn(move || {
            while let Ok(word) = heard.recv() {
                let done = match word {
                    Word::Begin(writers) => {
                        columns.writers = writers;
                        Ok(())
                    }
                    Word::Rows(batch) => columns.write(&batch),
                    Word::End => columns.end().map(|chunks| drop(ended.send(Ok(chunks)))),
                };
                if let Err(error) = done {
                    // Whoever waits for the chunks gets the error instead; whoever has more to say is not heard.
                    drop(ended.send(Err(error)));
                    return;
                }
            }
        });
        Hand { words, chunks }
    }

    /// Tells the thread something. If it ended early, gives its error.
    fn say(&self, word: Word) -> Result<(), ParquetError> {
        self.words.send(word).map_err(|_| self.chunks.iter().find_map(Result::err).unwrap_or_else(gone))
    }
}

fn gone() -> ParquetError {
    ParquetError::General("a thread that encodes columns ended early".to_owned())
}
