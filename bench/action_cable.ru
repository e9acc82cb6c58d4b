# The rival, ActionCable with its Redis adapter, without the rest of Rails.
require "action_cable"
require "logger"

module ApplicationCable
  class Connection < ActionCable::Connection::Base
  end

  class Channel < ActionCable::Channel::Base
  end
end

class ConversationChannel < ApplicationCable::Channel
  def subscribed
    stream_from "conversation"
  end
end

config = ActionCable.server.config
config.cable = { "adapter" => "redis", "url" => ENV.fetch("REDIS_URL") }
config.logger = Logger.new(IO::NULL)
config.connection_class = -> { ApplicationCable::Connection }
config.disable_request_forgery_protection = true

run ActionCable.server
